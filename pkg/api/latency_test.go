package api_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// BenchmarkDescribeExecution has 50 clients ask at once, through the SDK, and reports how long an answer takes.
func BenchmarkDescribeExecution(b *testing.B) {
	const clients = 50
	s := newService(b)
	arn := s.begin("film", s.request("out"))
	s.await(arn, types.ExecutionStatusSucceeded)
	var mu sync.Mutex
	var took []time.Duration
	work := make(chan struct{})
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for range work {
				began := time.Now()
				if _, err := s.DescribeExecution(b.Context(), &sfn.DescribeExecutionInput{ExecutionArn: arn}); err != nil {
					b.Error(err)
				}
				mu.Lock()
				took = append(took, time.Since(began))
				mu.Unlock()
			}
		})
	}
	for b.Loop() {
		work <- struct{}{}
	}
	close(work)
	all.Wait()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
}
