package main

import (
	"context"
	"os"
	"time"
)

// stubborn is a program whose work ignores cancellation. It creates the file of its first argument when it is ready and
// that of its second when its context ends, and prints the cause.
func stubborn() {
	ctx, stop := withInterrupt(context.Background())
	defer stop()
	_ = os.WriteFile(os.Args[1], nil, 0o644)
	<-ctx.Done()
	os.Stdout.WriteString(context.Cause(ctx).Error() + "\n")
	_ = os.WriteFile(os.Args[2], nil, 0o644)
	time.Sleep(time.Minute)
}
