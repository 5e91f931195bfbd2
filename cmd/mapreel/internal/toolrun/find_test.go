package toolrun_test

import (
	"context"
	"errors"
	"testing"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/toolrun"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
)

func TestFFmpegIsSearchedForBeforeItIsNeeded(t *testing.T) {
	t.Parallel()
	began, goOn := make(chan struct{}), make(chan struct{})
	found, end := toolrun.FindAhead(t.Context(), func(context.Context, ffmpeg.FindOptions) (ffmpeg.Tools, error) {
		close(began)
		<-goOn
		return ffmpeg.Tools{FFmpeg: "/x/ffmpeg"}, nil
	})
	defer end()
	<-began // before the result is asked for
	close(goOn)
	for range 2 {
		if tools, err := found(t.Context(), ffmpeg.FindOptions{}); err != nil || tools.FFmpeg != "/x/ffmpeg" {
			t.Errorf("found %q, %v", tools.FFmpeg, err)
		}
	}
}

func TestASearchThatIsNotNeededIsCancelled(t *testing.T) {
	t.Parallel()
	found, end := toolrun.FindAhead(t.Context(), func(ctx context.Context, _ ffmpeg.FindOptions) (ffmpeg.Tools, error) {
		<-ctx.Done()
		return ffmpeg.Tools{}, ctx.Err()
	})
	end()
	if _, err := found(t.Context(), ffmpeg.FindOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
