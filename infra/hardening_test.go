package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/mapreel/mapreel/pkg/blob/s3blob"
)

const foreignAccount = "210987654321" // of the bucket films, in some variants

// checkOwners checks that every permission on a bucket ends where the bucket belongs to another account than is expected: after a
// deletion, anybody may take its name.
func checkOwners(t *testing.T, s synthesised) {
	t.Helper()
	checked := 0
	for _, p := range s.of("AWS::IAM::Policy") {
		for _, role := range several(props(p)["Roles"]) {
			for _, e := range s.statements(t, role[:len(role)-8]) {
				if !slices.ContainsFunc(e.actions, func(a string) bool { return strings.HasPrefix(a, "s3:") }) {
					continue
				}
				checked++
				if e.account != "AWS::AccountId" && (e.account != foreignAccount || !strings.Contains(e.resources[0], ":::films")) {
					t.Errorf("%s may %v on %v of the account %q", role, e.actions, e.resources, e.account)
				}
			}
		}
	}
	if checked < 10 {
		t.Errorf("found only %d permissions on buckets", checked)
	}
}

// checkHosts checks what an instance and a container of Batch leave to a program that a source has taken over.
func checkHosts(t *testing.T, s synthesised) {
	t.Helper()
	for name, template := range s.of("AWS::EC2::LaunchTemplate") {
		options, _ := props(template)["LaunchTemplateData"].(object)["MetadataOptions"].(object)
		if options["HttpPutResponseHopLimit"] != 1.0 || options["HttpTokens"] != "required" {
			t.Errorf("%s has the metadata service %v", name, options)
		}
	}
	for name, d := range s.of("AWS::Batch::JobDefinition") {
		container := props(d)["ContainerProperties"].(object)
		if container["ReadonlyRootFilesystem"] != true {
			t.Errorf("%s can write to the image's files", name)
		}
		if privileged, set := container["Privileged"]; set && privileged != false {
			t.Errorf("%s is privileged", name)
		}
		writable := map[string]bool{}
		mounts, _ := container["MountPoints"].([]any)
		for _, m := range mounts {
			writable[m.(object)["ContainerPath"].(string)] = m.(object)["ReadOnly"] != true
		}
		files := len(s.of("AWS::EFS::FileSystem")) > 0
		if !writable["/tmp"] || writable[mountPoint] != files {
			t.Errorf("%s can write below %v; the deployment has a file system: %v", name, writable, files)
		}
		for _, v := range container["Volumes"].([]any) {
			if host, ok := v.(object)["Host"].(object); ok && host["SourcePath"] != nil {
				t.Errorf("%s mounts the folder %v of its host", name, host["SourcePath"])
			}
		}
	}
}

func TestABucketOfAnotherAccountIsExpectedThere(t *testing.T) {
	s := synth(t, object{"sourceBuckets": "films,more-films", "bucketAccounts": "films:" + foreignAccount})
	got := map[string]string{}
	for _, e := range s.statements(t, "EncodeRole") {
		if slices.Contains(e.actions, "s3:GetObject") {
			got[e.resources[0]] = e.account
		}
	}
	const arn = "arn:AWS::Partition:s3:::"
	if got[arn+"films/*"] != foreignAccount || got[arn+"more-films/*"] != "AWS::AccountId" {
		t.Errorf("sources are read from the accounts %v", got)
	}
	for _, function := range []string{"Encode", "Analyse"} {
		variables := props(s.named(t, "AWS::Lambda::Function", function))["Environment"].(object)["Variables"].(object)
		owners, err := s3blob.ParseOwners(withAccount(resolved(variables[s3blob.AccountVariable])), resolved(variables[s3blob.OwnersVariable]))
		if err != nil || owners.Of("films") != foreignAccount || owners.Of("more-films") != someAccount {
			t.Errorf("%s expects %+v (%v)", function, owners, err)
		}
	}
}

// An image that is named by a tag is whatever its owner pushes under that tag.
func TestBaseImagesAreNamedByDigest(t *testing.T) {
	for name, stages := range map[string]int{"../functions/Dockerfile": 3, "../functions/render.Dockerfile": 4, "../functions/tool.Dockerfile": 4, "../cmd/mapreel/Dockerfile": 3} {
		recipe, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := regexp.MustCompile(`(?m)^(FROM |ARG BASE=).*`).FindAllString(string(recipe), -1)
		if len(lines) != stages {
			t.Fatalf("%s: found only %v", name, lines)
		}
		for _, line := range lines {
			if !regexp.MustCompile(`^(FROM |ARG BASE=)\S+:\S+@sha256:[0-9a-f]{64}( AS \w+)?$|^FROM \$\{BASE\}( AS \w+)?$|^FROM \$\{TOOL_IMAGE:-\$\{BASE\}\}$`).MatchString(line) {
				t.Errorf("%s: %s: name a tag and a digest", name, line)
			}
		}
	}
}

// Docker takes the packages of an unchanged recipe from its cache, with all the faults that they had then.
func TestTheImageDependsOnItsArguments(t *testing.T) {
	image := func(context object) (hash string, arguments map[string]string) {
		t.Helper()
		root := t.TempDir()
		if err := os.MkdirAll(filepath.Join(root, "functions"), 0o700); err != nil {
			t.Fatal(err)
		}
		recipe, err := os.ReadFile("../functions/Dockerfile")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "functions", "Dockerfile"), recipe, 0o600); err != nil {
			t.Fatal(err)
		}
		app := awscdk.NewApp(&awscdk.AppProps{Outdir: jsii.String(filepath.Join(root, "out")), AnalyticsReporting: jsii.Bool(false)})
		chosen, err := parseSettings(context)
		if err != nil {
			t.Fatal(err)
		}
		if err := newStack(app, chosen, root); err != nil {
			t.Fatal(err)
		}
		app.Synth(nil)
		text, err := os.ReadFile(filepath.Join(root, "out", "mapreel.assets.json"))
		if err != nil {
			t.Fatal(err)
		}
		var assets struct {
			DockerImages map[string]struct {
				Source struct {
					DockerBuildArgs map[string]string
				}
			}
		}
		if err := json.Unmarshal(text, &assets); err != nil || len(assets.DockerImages) != 1 {
			t.Fatalf("%v\n%s", err, text)
		}
		for hash, image := range assets.DockerImages {
			return hash, image.Source.DockerBuildArgs
		}
		return "", nil
	}
	before, none := image(object{"scratch": "s3"})
	after, given := image(object{"scratch": "s3", "packages": "2026-11-28", "baseImage": "debian:trixie-slim"})
	if before == after || len(none) > 0 || given["PACKAGES"] != "2026-11-28" || given["BASE"] != "debian:trixie-slim" {
		t.Errorf("the image %s with the arguments %q becomes %s with %q", before, none, after, given)
	}
	recipe, err := os.ReadFile("../functions/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	// Docker's cache of a RUN depends on the arguments that are declared before it in the same stage.
	_, last, _ := strings.Cut(string(recipe), "FROM ${BASE}")
	if declared, install := strings.Index(last, "ARG PACKAGES"), strings.Index(last, "apt-get"); declared < 0 || declared > install {
		t.Error("the packages do not depend on the argument")
	}
}
