// Command audio is the function that copies or encodes one piece of the sound.
package main

import (
	"context"
	"os"

	"github.com/mapreel/mapreel/pkg/lambdafn"
)

func main() { os.Exit(lambdafn.Main(context.Background(), "audio")) }
