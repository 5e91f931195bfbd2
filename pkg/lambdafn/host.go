package lambdafn

import (
	"context"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
)

// hostTime is how long the instance may take to say what it is. Where containers cannot reach it, nothing answers.
const hostTime = 2 * time.Second

// findHost asks the instance beneath a Batch job for its type and whether it is a Spot instance, while the job works. The function
// that it returns waits for the answer, and returns "" where there was none.
func findHost(ctx context.Context) func() (instance string, spot bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hostTime)
	conf, err := config.LoadDefaultConfig(ctx) // where the service is, if it is not where it always is
	if err != nil {
		cancel()
		return func() (string, bool) { return "", false }
	}
	client := imds.NewFromConfig(conf)
	var instance, cycle string
	var both sync.WaitGroup
	both.Go(func() { instance = metadata(ctx, client, "instance-type") })
	both.Go(func() { cycle = metadata(ctx, client, "instance-life-cycle") })
	return func() (string, bool) {
		both.Wait()
		cancel()
		return instance, cycle == "spot"
	}
}

// maxMetadata is longer than any answer.
const maxMetadata = 64

func metadata(ctx context.Context, client *imds.Client, path string) string {
	out, err := client.GetMetadata(ctx, &imds.GetMetadataInput{Path: path})
	if err != nil {
		return ""
	}
	defer out.Content.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(out.Content, maxMetadata))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
