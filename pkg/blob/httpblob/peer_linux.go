package httpblob

import (
	"net/netip"
	"os"
	"strconv"
)

// ownPeer reports whether the other end of a loopback connection belongs to this user: others may read addresses in command lines.
// Where the kernel does not tell, the address alone has to be enough.
func ownPeer(remote string) bool {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return true
	}
	uid, found := owner(string(table), at.Port())
	return found && uid == strconv.Itoa(os.Getuid())
}
