package planner

import (
	"context"
	"fmt"
	"slices"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/packaging"
	"github.com/mapreel/mapreel/pkg/film/protection"
	"github.com/mapreel/mapreel/pkg/work"
)

// readKeys looks at the keys of a request's packages, and adds their fingerprint to the request: other keys are another job.
func readKeys(ctx context.Context, env *work.PlanEnv, req *film.Request) error {
	req.Outputs = slices.Clone(req.Outputs)
	for i := range req.Outputs {
		o := &req.Outputs[i]
		if o.Package == nil || o.Package.Encryption == nil || !o.Container.Packaged() {
			continue
		}
		s := o.Package.Encryption.Normalise()
		at := fmt.Sprintf("/outputs/%d/package/encryption", i)
		keys, err := packaging.ReadKeys(ctx, env.Resolve, s)
		if err != nil {
			return err
		}
		for _, kind := range []protection.Kind{protection.Video, protection.Audio} {
			if _, err := keys.For(kind); err != nil {
				return film.Problems{{Pointer: at + "/keys", Message: err.Error()}}.Err()
			}
		}
		signals := slices.ContainsFunc(keys.Systems, func(s protection.System) bool { return s.Media != "" })
		if o.Container != film.DASH && s.KeyURL == "" && !signals {
			return film.Problems{{Pointer: at + "/keyUrl", Message: "is required for HLS: its playlists name where players get the key, unless a CPIX document says that"}}.Err()
		}
		s.Fingerprint = keys.Fingerprint()
		p := *o.Package
		p.Encryption = &s
		o.Package = &p
	}
	return nil
}
