package main

import (
	"context"
	"os"
	"time"
)

// stubborn is a program whose work does not heed that it was cancelled. It makes the files named by its arguments when it
// is ready and when its context ends, and prints why that did.
func stubborn() {
	ctx, stop := interruptible(context.Background())
	defer stop()
	_ = os.WriteFile(os.Args[1], nil, 0o644)
	<-ctx.Done()
	os.Stdout.WriteString(context.Cause(ctx).Error() + "\n")
	_ = os.WriteFile(os.Args[2], nil, 0o644)
	time.Sleep(time.Minute)
}
