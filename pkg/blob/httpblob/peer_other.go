//go:build !linux

package httpblob

// ownPeer reports true: only Linux tells whose a connection is.
func ownPeer(string) bool { return true }
