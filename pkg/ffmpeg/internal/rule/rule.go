// Package rule checks the values of ffmpeg's options that users set: each must be of a form that has no meaning in a command line or in
// a filter graph.
package rule

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Rule returns what a value must be if it is not allowed, else "".
type Rule func(value string) string

// Whole allows the whole numbers from low to high.
func Whole(low, high int) Rule {
	return func(value string) string {
		if n, err := strconv.Atoi(value); err != nil || n < low || n > high || len(value) > 6 {
			return fmt.Sprintf("a whole number from %d to %d", low, high)
		}
		return ""
	}
}

// Decimal allows the numbers from low to high, written without an exponent.
func Decimal(low, high float64) Rule {
	return func(value string) string {
		if n, err := strconv.ParseFloat(value, 64); err != nil || n < low || n > high || len(value) > 8 || strings.Trim(value, "-.0123456789") != "" {
			return fmt.Sprintf("a number from %g to %g", low, high)
		}
		return ""
	}
}

// Words allows the Words of a list.
func Words(list ...string) Rule {
	return func(value string) string {
		if !slices.Contains(list, value) {
			return "one of " + strings.Join(list, ", ")
		}
		return ""
	}
}

// OnOff allows 0 and 1.
func OnOff(value string) string { return Words("0", "1")(value) }

// UpTo allows one to most values of a rule, with commas between them.
func UpTo(most int, each Rule) Rule {
	return func(value string) string {
		parts := strings.Split(value, ",")
		for _, part := range parts {
			if problem := each(part); problem != "" || len(parts) > most {
				return fmt.Sprintf("one to %d values with commas between them, each %s", most, orElse(problem, "allowed"))
			}
		}
		return ""
	}
}

func orElse(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
