package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/work"
)

// allows reports whether a role may do action on an object of the bucket.
func allows(list []statement, action, bucket, key string) bool {
	return slices.ContainsFunc(list, func(s statement) bool {
		return slices.Contains(s.actions, action) && slices.ContainsFunc(s.resources, func(pattern string) bool {
			name, rest, _ := strings.Cut(pattern, ".Arn/")
			expression := strings.ReplaceAll(regexp.QuoteMeta(rest), `\*`, `.*`)
			return isNamed(name, bucket) && regexp.MustCompile("^"+expression+"$").MatchString(key)
		})
	})
}

// The columns of the table are objects, one of each kind. r: GetObject, which HeadObject needs too.
// w: PutObject. d: DeleteObject.
func TestEachClassReachesTheObjectsItWorksOn(t *testing.T) {
	objects := []struct{ name, bucket, key string }{
		{"list", "Scratch", strings.ReplaceAll(engine.ListPattern, "*", "0a1b")},
		{"split", "Scratch", film.SourceChunkKey("0a1b", true, 3)},
		{"index", "Scratch", film.SourceIndexKey("0a1b")},
		{"video", "Scratch", work.ArtifactKey("0a1b", film.VideoUnit(12), 1, 0, "mp4")},
		{"audio", "Scratch", work.ArtifactKey("0a1b", film.AudioUnit(3), 2, 0, "mkv")},
		{"sidecar", "Scratch", work.ArtifactKey("0a1b", film.SidecarUnit, 1, 4, "vtt")},
		{"output", "Scratch", work.ArtifactKey("0a1b", film.OutputKind+"/film", 1, 0, "mp4")},
		{"frames", "Scratch", render.TileKey("0a1b", 12, 3)}, // beside render.Key
		{"source", "Media", "in/season one/film.mkv"},
		{"destination", "Media", "out/season one/film.mp4"},
		{"elsewhere", "Media", "private/film.mp4"},
	}
	// With a file system, artifacts are not in the scratch bucket, so only lists and media remain.
	for _, c := range []struct {
		context object
		want    map[work.Class]string
	}{
		{object{"scratch": "s3", "batch": "true", "gpu": "true"}, map[work.Class]string{
			//                  list  split index video audio sidecar output frames source destination elsewhere
			work.ClassAnalyse: "rwd   r-d   r-d   r-d   r-d   r-d     r-d    r-d    r--    r--         ---",
			work.ClassSplit:   "---   -wd   -wd   ---   ---   ---     ---    ---    r--    ---         ---",
			work.ClassEncode:  "---   r--   r--   -wd   r--   r--     ---    ---    r--    -w-         ---",
			work.ClassAudio:   "---   ---   ---   ---   rwd   -wd     ---    ---    r--    ---         ---",
			work.ClassMerge:   "---   ---   ---   r--   r--   r--     rwd    ---    r--    rw-         ---",
			work.ClassFinish:  "--d   --d   --d   --d   --d   --d     --d    --d    ---    ---         ---",
			work.ClassCollect: "--d   --d   --d   --d   --d   --d     --d    --d    ---    ---         ---",
		}},
		{object{"scratch": "s3", "batch": "true", "render": "true"}, map[work.Class]string{
			work.ClassAnalyse: "rwd   r-d   r-d   r-d   r-d   r-d     r-d    r-d    r--    r--         ---",
			work.ClassSplit:   "---   -wd   -wd   ---   ---   ---     ---    ---    r--    ---         ---",
			work.ClassEncode:  "---   r--   r--   -wd   r--   r--     ---    r--    r--    -w-         ---",
			work.ClassAudio:   "---   ---   ---   ---   rwd   -wd     ---    r--    r--    ---         ---",
			work.ClassRender:  "---   ---   ---   ---   ---   ---     ---    rwd    r--    ---         ---",
			work.ClassMerge:   "---   ---   ---   r--   r--   r--     rwd    r--    r--    rwd         ---",
			work.ClassFinish:  "--d   --d   --d   --d   --d   --d     --d    --d    ---    ---         ---",
			work.ClassCollect: "--d   --d   --d   --d   --d   --d     --d    --d    ---    ---         ---",
		}},
		{object{"scratch": "efs", "gpu": "true"}, map[work.Class]string{
			work.ClassAnalyse: "-wd   ---   ---   ---   ---   ---     ---    ---    r--    r--         ---",
			work.ClassSplit:   "---   ---   ---   ---   ---   ---     ---    ---    r--    ---         ---",
			work.ClassEncode:  "---   ---   ---   ---   ---   ---     ---    ---    r--    -w-         ---",
			work.ClassAudio:   "---   ---   ---   ---   ---   ---     ---    ---    r--    ---         ---",
			work.ClassMerge:   "---   ---   ---   ---   ---   ---     ---    ---    r--    rw-         ---",
			work.ClassFinish:  "--d   ---   ---   ---   ---   ---     ---    ---    ---    ---         ---",
			work.ClassCollect: "--d   --d   --d   --d   --d   --d     --d    --d    ---    ---         ---",
		}},
	} {
		s := synth(t, c.context)
		for _, class := range s.chosen.allClasses() {
			list := s.statements(t, constructID(class)+"Role")
			for i, want := range strings.Fields(c.want[class]) {
				got := ""
				for _, a := range []struct{ letter, action string }{
					{"r", "s3:GetObject"}, {"w", "s3:PutObject"}, {"d", "s3:DeleteObject"},
				} {
					if allows(list, a.action, objects[i].bucket, objects[i].key) {
						got += a.letter
					} else {
						got += "-"
					}
				}
				if got != want {
					t.Errorf("%v: %s may %s on %s (%s), want %s", c.context, class, got, objects[i].name, objects[i].key, want)
				}
				// Whoever writes large objects must be able to give up an upload in parts.
				large := strings.Contains(got, "w") && objects[i].name != "list"
				if class == work.ClassCollect { // which gives up those of others
					large = objects[i].bucket == "Scratch" || objects[i].name == "destination"
				}
				if abort := allows(list, "s3:AbortMultipartUpload", objects[i].bucket, objects[i].key); abort != large {
					t.Errorf("%v: %s may abort uploads of %s: %v, want %v", c.context, class, objects[i].name, abort, large)
				}
			}
		}
	}
}

func TestEachClassListsOnlyTheBucketsItSearches(t *testing.T) {
	s := synth(t, object{"scratch": "s3", "render": "true"})
	const everywhere, below = "null", `{"StringLike":{"s3:prefix":"out/*"}}`
	want := map[work.Class][]string{
		work.ClassAnalyse: {"Media " + everywhere, "Scratch " + everywhere},
		work.ClassSplit:   {"Media " + everywhere, `Scratch {"StringLike":{"s3:prefix":"*/split/*"}}`},
		work.ClassEncode:  {"Media " + everywhere},
		work.ClassAudio:   {"Media " + everywhere},
		work.ClassRender:  {"Media " + everywhere, `Scratch {"StringLike":{"s3:prefix":"*/frames/*"}}`},
		work.ClassMerge:   {"Media " + below},
		work.ClassFinish:  {"Scratch " + everywhere},
		work.ClassCollect: {"Scratch " + everywhere},
	}
	for _, class := range s.chosen.allClasses() {
		var got []string
		for _, e := range s.statements(t, constructID(class)+"Role") {
			if !slices.Contains(e.actions, "s3:ListBucket") {
				continue
			}
			for _, r := range e.resources {
				for _, bucket := range []string{"Media", "Scratch"} {
					if isNamed(strings.TrimSuffix(r, ".Arn"), bucket) {
						got = append(got, bucket+" "+e.condition)
					}
				}
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(want[class], slices.Compact(got)); diff != "" {
			t.Errorf("%s lists (-want +got):\n%s", class, diff)
		}
	}
}

func TestEachClassMakesOnlyItsCallsToTheLedger(t *testing.T) {
	s := synth(t, object{"scratch": "s3", "render": "true"})
	usual := []string{"BatchGetItem", "GetItem", "Query", "UpdateItem"}
	for _, class := range s.chosen.allClasses() {
		want := usual
		switch class {
		case work.ClassCollect:
			want = []string{"BatchGetItem", "BatchWriteItem", "DeleteItem", "GetItem", "Query"}
		case work.ClassAnalyse:
			want = []string{"BatchGetItem", "BatchWriteItem", "GetItem", "PutItem", "Query", "UpdateItem"}
		}
		var got []string
		for _, e := range s.statements(t, constructID(class)+"Role") {
			for _, a := range e.actions {
				if call, ok := strings.CutPrefix(a, "dynamodb:"); ok {
					got = append(got, call)
				}
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, slices.Compact(got)); diff != "" {
			t.Errorf("%s calls (-want +got):\n%s", class, diff)
		}
	}
}

// checkJobRoles checks that each job definition has a role of its own, which may do what the
// function of its class may: all but writing to the function's log and using the network, which the
// ECS agent and the instance do, and mounting the file system, for which the CDK words the
// function's rights differently.
func checkJobRoles(t *testing.T, s synthesised) {
	t.Helper()
	files := len(s.of("AWS::EFS::FileSystem")) > 0
	roles := map[string]string{}
	for name, d := range s.of("AWS::Batch::JobDefinition") {
		container := props(d)["ContainerProperties"].(object)
		class := constructID(work.Class(several(container["Command"])[1]))
		role := strings.TrimSuffix(resolved(container["JobRoleArn"]), ".Arn")
		if other, taken := roles[role]; taken {
			t.Errorf("%s and %s share the role %s", name, other, role)
		}
		roles[role] = name
		own := s.statements(t, role[:len(role)-8])
		if diff := cmp.Diff(rightsFor(s.statements(t, class+"Role")), rightsFor(own)); diff != "" {
			t.Errorf("rights (-function of %s +%s):\n%s", class, name, diff)
		}
		mounts := slices.ContainsFunc(own, func(e statement) bool {
			return slices.Contains(e.actions, "elasticfilesystem:ClientWrite") && strings.Contains(e.condition, "AccessPointArn")
		})
		if mounts != files {
			t.Errorf("%s may mount the file system: %v, want %v", name, mounts, files)
		}
	}
}

// rightsFor returns the rights that a role needs for its work, one line each, sorted.
func rightsFor(list []statement) []string {
	var lines []string
	for _, e := range list {
		for _, a := range e.actions {
			service, _, _ := strings.Cut(a, ":")
			if slices.Contains([]string{"logs", "ec2", "elasticfilesystem"}, service) {
				continue
			}
			for _, r := range e.resources {
				lines = append(lines, fmt.Sprint(a, " ", r, " ", e.condition))
			}
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

func TestMachineMayDoOnlyWhatItsStatesDo(t *testing.T) {
	s := synth(t, object{"gpu": "true"})
	got := map[string][]string{} // resources by action
	for _, e := range s.statements(t, "MachineRole") {
		for _, a := range e.actions {
			got[a] = append(got[a], e.resources...)
		}
	}
	for action, part := range map[string]string{
		"s3:GetObject":             "/" + engine.ListPattern,
		"states:StartExecution":    "Machine",
		"states:DescribeExecution": ":execution:",
		"states:StopExecution":     ":execution:",
		"states:RedriveExecution":  ":execution:",
		"events:PutRule":           "rule/StepFunctionsGetEventsForBatchJobsRule",
		"events:PutTargets":        "rule/StepFunctionsGetEventsForBatchJobsRule",
		"events:DescribeRule":      "rule/StepFunctionsGetEventsForBatchJobsRule",
	} {
		if len(got[action]) == 0 {
			t.Errorf("the machine may not %s", action)
		}
		for _, resource := range got[action] {
			if !strings.Contains(resource, part) {
				t.Errorf("%s is allowed on %q, want a resource with %q", action, resource, part)
			}
		}
	}
	for action := range got {
		if strings.HasPrefix(action, "s3:") && action != "s3:GetObject" {
			t.Errorf("the machine may %s", action)
		}
	}

	var functions, submitted []string
	for name, f := range s.of("AWS::Lambda::Function") {
		if _, ours := props(f)["ImageConfig"]; ours && !isNamed(name, "Collect") {
			functions = append(functions, name+".Arn:*")
		}
	}
	for _, d := range s.of("AWS::Batch::JobDefinition") {
		submitted = append(submitted, "arn:AWS::Partition:batch:AWS::Region:AWS::AccountId:job-definition/"+props(d)["JobDefinitionName"].(string)+":*")
	}
	for name := range s.of("AWS::Batch::JobQueue") {
		submitted = append(submitted, name+".JobQueueArn")
	}
	for action, want := range map[string][]string{"lambda:InvokeFunction": functions, "batch:SubmitJob": submitted} {
		slices.Sort(want)
		slices.Sort(got[action])
		if diff := cmp.Diff(want, got[action]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", action, diff)
		}
	}
}
