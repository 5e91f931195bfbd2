package process

// Namespaces selects which namespaces of its own a program gets. The first process in them is the program, as number 1: when it
// ends, the kernel ends all others.
type Namespaces int

const (
	SharedNamespaces  Namespaces = iota // those of this process
	PrivateNamespaces                   // of users, processes, mounts and messages
	NoNetwork                           // likewise, and of the network, in which there is none
)
