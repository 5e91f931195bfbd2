package main

import (
	"context"
	"sync"
	"testing"

	"github.com/mapreel/mapreel/internal/exact/judge"
	"github.com/mapreel/mapreel/internal/exact/source"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
)

var tools = sync.OnceValues(func() (ffmpeg.Tools, error) {
	return ffmpeg.Find(context.Background(), ffmpeg.FindOptions{}) //nolint:forbidigo // shared by all tests, so no test owns the context
})

func TestAwkwardSourcesKeepEveryFrameAndBeepAtItsTime(t *testing.T) {
	t.Parallel()
	found, err := tools()
	if err != nil {
		t.Fatal(err)
	}
	m := matrix{candidates: []judge.Candidate{judge.Mapreel(found)}, container: film.MP4, work: t.TempDir()}
	for _, s := range source.All() {
		if !s.Quick {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			r, err := m.run(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			if cell := r.verdict("mapreel"); cell != "good" {
				t.Error(cell)
			}
		})
	}
}

// The audio is amplified in parts of 2 s, each by what the whole track needs.
func TestLoudnessIsThatOfOnePassAtEveryMoment(t *testing.T) {
	t.Parallel()
	found, err := tools()
	if err != nil {
		t.Fatal(err)
	}
	m := matrix{candidates: []judge.Candidate{judge.OnePass(), judge.Mapreel(found)}, container: film.MP4, work: t.TempDir()}
	r, err := m.run(t.Context(), source.Named("loudness of -23 LUFS, MP4"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range m.candidates {
		if cell := r.verdict(c.Name); cell != "good" {
			t.Errorf("%s: %s", c.Name, cell)
		}
	}
}

// The comparison is worth what it detects.
func TestUsualRecipeIsNotGood(t *testing.T) {
	t.Parallel()
	m := matrix{candidates: []judge.Candidate{judge.UsualRecipe()}, container: film.MP4, work: t.TempDir()}
	r, err := m.run(t.Context(), source.Named("MP4, moov last"))
	if err != nil {
		t.Fatal(err)
	}
	if cell := r.verdict("usual recipe"); cell == "good" {
		t.Error("a file with repeated audio passes")
	}
}
