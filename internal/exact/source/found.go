package source

import (
	"time"

	"github.com/mapreel/mapreel/internal/exact/recipe"
)

// foundSources are the faults that make exact-random found, as the simplest recipes that had them.
func foundSources() []Source {
	return []Source{
		// verify took what the decoder shows for damage, which is hard to encode, for a broken frame.
		found("zeros among the media data, MP4", func(r *recipe.Recipe) {
			r.Container, r.Rate, r.Size, r.Frames = "first", "12", "160x90", 48
			r.Damage, r.DamageAt, r.DamageBy = "zeros", 216, 13
			r.Tracks[0].Codec, r.Tracks[0].Channels, r.Tracks[0].Gap = "mp3", 1, "1.1"
			r.Segment = 10 * time.Second
		}),
	}
}

// found makes a source of the plain recipe with a change.
func found(name string, change func(*recipe.Recipe)) Source {
	r := recipe.Plain()
	change(&r)
	if problem := r.Problem(); problem != "" {
		panic(name + ": " + problem) // a constant of this package
	}
	return Source{
		Name: name, File: r.File(), Segment: r.Segment, Codec: r.OutCodec, Interlaced: r.Interlaced(),
		make: func(b *builder) error {
			_, err := r.Make(b.ctx, b.dir)
			for _, s := range r.Steps() {
				b.created = append(b.created, s.Output())
			}
			return err
		},
	}
}
