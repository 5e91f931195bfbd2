package history

// The parts of the ARNs of one machine. Region and account are placeholders: clients compare ARNs and take them apart, and
// never look the parts up.
const (
	region  = "local"
	account = "000000000000"
	prefix  = "arn:aws:states:" + region + ":" + account + ":"

	// MachineName is the name of the only state machine.
	MachineName = "mapreel"
	// MachineARN is its ARN.
	MachineARN = prefix + "stateMachine:" + MachineName
	// RoleARN stands for the role of an execution, which has none here.
	RoleARN = "arn:aws:iam::" + account + ":role/" + MachineName
)

// ExecutionARN returns the ARN of the execution of a name.
func ExecutionARN(name string) string { return prefix + "execution:" + MachineName + ":" + name }
