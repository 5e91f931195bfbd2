package main

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/tool"
)

// settings are the choices of a deployment, each given as `-c name=value`.
type settings struct {
	scratch            string  // efs (default) or s3: where artifacts lie between phases
	batch              bool    // a queue for units that Lambda cannot finish; see parseSettings for the default
	gpu                bool    // a queue of GPU instances
	sliceEvents        bool    // workers put an event for each finished slice of a preview on the bus; needs a route to EventBridge
	batchNetwork       string  // public (default): no inbound rule, no cost by the hour; isolated: no route out, endpoints
	arch               string  // x86_64 (default) or arm64
	imageURI           string  // an image in ECR that was built elsewhere; "" builds functions/Dockerfile when deploying
	baseImage          string  // the image of Debian from which the image's ffmpeg comes; "" = that of functions/Dockerfile
	render             bool    // functions with Blender, which render scenes
	blender            blender // where they have it from; zero is Debian's
	deployed           tool.Deployed
	toolsFile          string   // that describes the tools of this deployment; "" = none
	packages           string   // any new value installs the image's packages again; "" keeps those of Docker's cache
	sourceBuckets      []string // existing buckets; none: the media bucket's in/
	webSources         []string // roots of web servers, below which sources may be, too
	destinationBuckets []string // existing buckets; none: the media bucket's out/
	startOnUpload      bool     // an upload under in/ starts an execution
	compute
	keys
	accounts  map[string]string // of existing buckets that belong to another account than the deployment's
	placement                   // what the stack is called, and where in the account it lies
	outside                     // how it takes requests and says what became of them

	encodeConcurrency float64 // reserved concurrency of the encode function, which is also its limit; 0: none
}

// ecrImage is the form of an image in ECR. Lambda takes images from nowhere else.
var ecrImage = regexp.MustCompile(
	`^(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([a-z0-9][a-z0-9._/-]*)(?::([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})|@(sha256:[0-9a-f]{64}))$`)

// baseImageValue matches images of Debian, with a digest or without.
var baseImageValue = regexp.MustCompile(`^([a-z0-9.-]+(:[0-9]+)?/)?([a-z0-9._-]+/)*debian:[A-Za-z0-9._-]+(@sha256:[0-9a-f]{64})?$`)

var packagesValue = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,63}$`)

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// parseSettings reads the CDK's context. The error lists all problems, one a line.
func parseSettings(context any) (settings, error) {
	p := parser{values: map[string]any{}}
	if given, ok := context.(map[string]any); ok {
		p.values = given
	}
	s := settings{
		scratch:            p.choice("scratch", "efs", "s3"),
		gpu:                p.flag("gpu", false),
		batchNetwork:       p.choice("batchNetwork", "public", "isolated"),
		arch:               p.choice("arch", "x86_64", "arm64"),
		imageURI:           p.text("imageUri"),
		baseImage:          p.text("baseImage"),
		packages:           p.text("packages"),
		render:             p.flag("render", false),
		blender:            blender{p.text("blenderUrl"), p.text("blenderChecksum")},
		sourceBuckets:      p.buckets("sourceBuckets"),
		destinationBuckets: p.buckets("destinationBuckets"),
		startOnUpload:      p.flag("startOnUpload", false),
		encodeConcurrency:  p.count("encodeConcurrency"),
	}
	s.compute, s.keys = p.compute(s.arch), p.keys(s)
	// Batch needs a network. With scratch in S3 and without a GPU nothing else does, so Batch is
	// then off unless it is asked for.
	s.batch = p.flag("batch", s.scratch == "efs" || s.gpu)
	if s.gpu && !s.batch {
		p.bad("gpu=true needs Batch; leave out batch=false")
	}
	if s.gpu && s.arch == "arm64" {
		p.bad("gpu=true needs arch=x86_64: the GPU instances are g4dn, g5 and g6")
	}
	s.sliceEvents = p.flag("sliceEvents", s.scratch == "s3" && s.batchNetwork == "public")
	if s.batchNetwork == "isolated" && !s.batch {
		p.bad("batchNetwork=isolated needs Batch; add batch=true")
	}
	s.outside = p.outside(s.destinationBuckets)
	s.placement = p.placement(s.scratch == "efs" || s.batch)
	if s.imageURI != "" && !ecrImage.MatchString(s.imageURI) {
		p.bad("imageUri=%s is not an image in ECR, such as 123456789012.dkr.ecr.eu-west-1.amazonaws.com/mapreel:v1",
			s.imageURI)
	}
	s.checkImage(&p)
	s.checkRender(&p)
	s.deployed, s.toolsFile = p.tools()
	s.checkTools(&p)
	s.webSources = p.webSources(s)
	s.accounts = p.accounts(s)
	p.unknown()
	return s, errors.Join(p.problems...)
}

// checkImage refuses values of packages and baseImage that Docker's command line or an image could not take.
func (s settings) checkImage(p *parser) {
	for name, value := range map[string]string{"packages": s.packages, "baseImage": s.baseImage} {
		if value != "" && s.imageURI != "" {
			p.bad("%s=%s has no effect with imageUri, whose image is built elsewhere", name, value)
		}
	}
	if s.packages != "" && !packagesValue.MatchString(s.packages) {
		p.bad("packages=%s: give a date or another word of letters, digits, dots and hyphens", s.packages)
	}
	if s.baseImage != "" && !baseImageValue.MatchString(s.baseImage) {
		p.bad("baseImage=%s: give an image of Debian, such as debian:trixie-slim", s.baseImage)
	}
}

// blender is an official build of Blender.
type blender struct{ url, sha256 string }

var (
	blenderURL    = regexp.MustCompile(`^https://[A-Za-z0-9.-]+/[A-Za-z0-9._/-]+\.tar\.xz$`)
	blenderDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// checkRender checks the settings of scenes. A function cannot keep Blender from a file system that it shares with other jobs: Lambda
// lets no function make namespaces, and may have no Landlock.
func (s settings) checkRender(p *parser) {
	if s.render && s.scratch != "s3" {
		p.bad("render=true needs scratch=s3: on Lambda nothing keeps Blender from a file system that jobs share")
	}
	if s.blender == (blender{}) {
		return
	}
	switch {
	case !s.render:
		p.bad("blenderUrl and blenderChecksum have no effect without render=true")
	case s.imageURI != "":
		p.bad("blenderUrl and blenderChecksum have no effect with imageUri, whose image is built elsewhere")
	case s.arch == "arm64":
		p.bad("blenderUrl: the official builds of Blender for Linux are of x86_64; leave it out with arch=arm64")
	case !blenderURL.MatchString(s.blender.url):
		p.bad("blenderUrl=%s is not the https URL of a .tar.xz", s.blender.url)
	case !blenderDigest.MatchString(s.blender.sha256):
		p.bad("blenderChecksum=%s is not the SHA-256 of the archive, in 64 lowercase hexadecimal digits", s.blender.sha256)
	}
}

// checkRegion refuses an image of another region than that of the deployment, which Lambda does not take. region is "" where it is
// not known.
func (s settings) checkRegion(region string) error {
	m := ecrImage.FindStringSubmatch(s.imageURI)
	if m == nil || region == "" || m[2] == region {
		return nil
	}
	return fmt.Errorf("mapreel: imageUri=%s is in %s and the deployment in %s, and Lambda takes images of its own region only: "+
		"push the image to %s, or set AWS_REGION", s.imageURI, m[2], region, region)
}

// parser collects problems, so that all are shown at once.
type parser struct {
	values   map[string]any
	known    []string
	problems []error
}

func (p *parser) bad(format string, args ...any) {
	p.problems = append(p.problems, fmt.Errorf("mapreel: "+format, args...))
}

// text returns a value in the form that it has on the command line. There it is always text;
// cdk.json may have other types.
func (p *parser) text(name string) string {
	p.known = append(p.known, name)
	switch v := p.values[name].(type) {
	case nil:
		return ""
	case []any:
		var list []string
		for _, e := range v {
			list = append(list, fmt.Sprint(e))
		}
		return strings.Join(list, ",")
	default:
		return fmt.Sprint(v)
	}
}

// choice returns one of options; the first is the default.
func (p *parser) choice(name string, options ...string) string {
	v := p.text(name)
	if v == "" {
		return options[0]
	}
	if !slices.Contains(options, v) {
		p.bad("%s=%s: choose %s", name, v, strings.Join(options, " or "))
	}
	return v
}

func (p *parser) flag(name string, otherwise bool) bool {
	switch v := p.text(name); v {
	case "":
		return otherwise
	case "true":
		return true
	case "false":
		return false
	default:
		p.bad("%s=%s: choose true or false", name, v)
		return otherwise
	}
}

func (p *parser) count(name string) float64 {
	v := p.text(name)
	if v == "" {
		return 0
	}
	n, err := strconv.ParseUint(v, 10, 31)
	if err != nil || n == 0 {
		p.bad("%s=%s: give a positive number", name, v)
	}
	return float64(n)
}

func (p *parser) buckets(name string) []string {
	v := p.text(name)
	list := split(v)
	for i, bucket := range list {
		if !bucketName.MatchString(bucket) {
			p.bad("%s: %q cannot be the name of a bucket", name, bucket)
		} else if slices.Contains(list[:i], bucket) {
			p.bad("%s: %s is listed twice", name, bucket)
		}
	}
	return list
}

// split returns the elements of a list as the command line has it: separated by commas.
func split(v string) []string {
	if v == "" {
		return nil
	}
	var list []string
	for name := range strings.SplitSeq(v, ",") {
		list = append(list, strings.TrimSpace(name))
	}
	return list
}

// unknown reports names that are not settings of mapreel: a misspelt one would otherwise have no
// effect. The CDK's own names have a colon.
func (p *parser) unknown() {
	for _, name := range slices.Sorted(maps.Keys(p.values)) {
		if !strings.Contains(name, ":") && !slices.Contains(p.known, name) {
			slices.Sort(p.known)
			choices := slices.Compact(p.known) // a setting may be read more than once
			p.bad("-c %s: no such choice; the choices are: %s", name, strings.Join(choices, ", "))
		}
	}
}
