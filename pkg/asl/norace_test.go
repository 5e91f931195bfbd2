//go:build !race

package asl_test

const raceEnabled = false
