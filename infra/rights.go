package main

import (
	"path"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/tool"
	"github.com/mapreel/mapreel/pkg/tool/job"
	"github.com/mapreel/mapreel/pkg/work"
)

// Patterns of keys in scratch, for any job. S3's wildcard also matches slashes.
var (
	artifacts = work.Prefix("*") + "*" // of every kind; also the lists that the Distributed Map reads
	splits    = artifactsOf("split")
	video     = artifactsOf("video")
	audio     = artifactsOf("audio")
	sidecars  = artifactsOf("sidecar") // subtitles, cover, attachments
	outputs   = artifactsOf("output")
	frames    = artifactsOf(render.Kind)
	results   = artifactsOf(job.ToolKind) // of tools
	joins     = artifactsOf(job.JoinKind)
)

// artifactsOf returns the pattern of the artifacts of one kind's units.
func artifactsOf(kind string) string {
	return path.Dir(work.ArtifactKey("*", kind+"/unit", 0, 0, "mp4")) + "/*"
}

// rights gives a role what the workers of a class need.
type rights struct {
	role  awsiam.Role
	store storage
	// announces is the setting sliceEvents, renders the setting render, and tools are those of the setting of that name.
	announces, renders bool
	tools              []tool.Tool
}

const reasonForWildcards = "Wildcards stand at the end of a prefix that the role works on, for keys that are not known before a job; " +
	"for streams of the role's own log group; for the account's keys, where a condition names the one secret that they may decrypt; and for " +
	"network interfaces, which EC2 cannot restrict further."

func (r rights) allow(actions []string, resources ...*string) {
	r.role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions: jsii.Strings(actions...), Resources: &resources,
	}))
}

// allowIn allows actions on a bucket, as long as it belongs to an account: a name that its owner has given up may be taken by anybody.
func (r rights) allowIn(account *string, actions []string, resources ...*string) {
	r.role.AddToPolicy(inAccount(account, nil, actions, resources...))
}

// inAccount returns the statement that allows actions on a bucket of an account, under further conditions.
func inAccount(account *string, like map[string]any, actions []string, resources ...*string) awsiam.PolicyStatement {
	conditions := map[string]any{"StringEquals": map[string]any{"aws:ResourceAccount": account}}
	if like != nil {
		conditions["StringLike"] = like
	}
	return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions: jsii.Strings(actions...), Resources: &resources, Conditions: &conditions,
	})
}

// readSources reads sources, and tells a missing one from a forbidden one: without the permission to list, S3 answers 403 to both.
func (r rights) readSources() {
	for _, p := range r.store.sources {
		r.allowIn(p.account, []string{"s3:GetObject"}, p.objects())
		r.allowIn(p.account, []string{"s3:ListBucket"}, p.bucket.BucketArn())
		useKeys(r.role, decrypting, p.keys)
	}
}

// readKeys reads the keys of encrypted packages, an object where sources lie.
func (r rights) readKeys() {
	for _, p := range r.store.sources {
		r.allowIn(p.account, []string{"s3:GetObject"}, p.objects())
		useKeys(r.role, decrypting, p.keys)
	}
}

// plan writes a job's record, its units and the lists of units that the Distributed Map reads.
func (r rights) plan() {
	r.allow([]string{
		"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query",
		"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:BatchWriteItem",
	}, r.store.table.TableArn())
	r.allowIn(r.store.account, []string{"s3:PutObject"}, r.store.bucket.ArnForObjects(jsii.String(engine.ListPattern)))
	useKeys(r.role, encrypting, r.store.keys)
}

// inspectDestination finds out whether published files are still there and the same.
func (r rights) inspectDestination() {
	for _, p := range r.store.destinations {
		r.allowIn(p.account, []string{"s3:GetObject"}, p.objects())
		r.allowIn(p.account, []string{"s3:ListBucket"}, p.bucket.BucketArn()) // to tell missing from forbidden, as with sources
		useKeys(r.role, decrypting, p.keys)
	}
}

// record reads the plan and changes the state of jobs and units.
func (r rights) record() {
	r.allow([]string{"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:UpdateItem"}, r.store.table.TableArn())
}

// read and write grant access to artifacts in the scratch bucket. With a file system there are none
// in it. A role that writes artifacts also deletes them: an attempt that was not the first to
// complete discards its own.
func (r rights) read(patterns ...string) {
	r.grantArtifacts([]string{"s3:GetObject"}, decrypting, patterns)
}

func (r rights) write(patterns ...string) {
	r.grantArtifacts([]string{"s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"}, encrypting, patterns)
}

func (r rights) grantArtifacts(actions, inKMS, patterns []string) {
	if r.store.access != nil {
		return
	}
	useKeys(r.role, inKMS, r.store.keys)
	for _, pattern := range patterns {
		r.allowIn(r.store.account, actions, r.store.bucket.ArnForObjects(jsii.String(pattern)))
	}
}

// readFrames reads the frames of scenes, where they are rendered.
func (r rights) readFrames() {
	if r.renders {
		r.read(frames)
	}
}

// replaceFrames removes the frames of an earlier version of a scene from the folder where others are kept.
func (r rights) replaceFrames() {
	if !r.renders {
		return
	}
	for _, p := range r.store.destinations {
		r.allowIn(p.account, []string{"s3:DeleteObject"}, p.objects())
	}
}

// encodeTools encodes the pictures that tools have made, where there are such. What becomes of them lies where that of other films does,
// in folders named video and audio.
func (r rights) encodeTools() {
	if makesFilms(r.tools) {
		r.read(results)
	}
}

// joinTools joins what tools have made.
func (r rights) joinTools() {
	if len(r.tools) == 0 {
		return
	}
	r.read(results, joins)
	r.write(joins)
	if addsCaptions(r.tools) {
		r.write(sidecars) // the unit that shares out the bytes of a film brings the cues into its form
	}
}

// writeSegments writes the media segments of packages to the destination.
func (r rights) writeSegments() {
	for _, p := range r.store.destinations {
		r.allowIn(p.account, []string{"s3:PutObject", "s3:AbortMultipartUpload"}, p.objects())
		useKeys(r.role, encrypting, p.keys)
	}
}

// publish writes outputs and checks what was written: it reads files back, and lists the media
// segments of packages.
func (r rights) publish() {
	for _, p := range r.store.destinations {
		r.allowIn(p.account, []string{"s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"}, p.objects())
		r.list(p)
		useKeys(r.role, encrypting, p.keys)
	}
}

// announce tells the bus what has been published, where workers have a route to it.
func (r rights) announce() {
	if !r.announces {
		return
	}
	r.allow([]string{"events:PutEvents"}, r.store.bus.EventBusArn())
}

// list lists a place, and nothing else in its bucket.
func (r rights) list(p place) {
	r.role.AddToPolicy(inAccount(p.account, map[string]any{"s3:prefix": p.prefix + "*"}, []string{"s3:ListBucket"}, p.bucket.BucketArn()))
}

// listArtifacts lists the artifacts in the scratch bucket whose keys match a pattern.
func (r rights) listArtifacts(pattern string) {
	if r.store.access != nil {
		return
	}
	r.role.AddToPolicy(inAccount(r.store.account, map[string]any{"s3:prefix": pattern}, []string{"s3:ListBucket"}, r.store.bucket.BucketArn()))
}

// clear finds and removes everything that a job has in the scratch bucket: its lists, and with
// scratch=s3 its artifacts.
func (r rights) clear() {
	if r.store.access != nil {
		r.allowIn(r.store.account, []string{"s3:DeleteObject"}, r.store.bucket.ArnForObjects(jsii.String(engine.ListPattern)))
		return
	}
	r.allowIn(r.store.account, []string{"s3:ListBucket"}, r.store.bucket.BucketArn())
	r.allowIn(r.store.account, []string{"s3:DeleteObject"}, r.store.bucket.ArnForObjects(jsii.String(artifacts)))
}

// collect finds and removes what jobs have left behind: records that have expired, objects in scratch, and the parts of uploads
// that were given up, there and at the destinations.
func (r rights) collect() {
	r.allow([]string{
		"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:BatchWriteItem", "dynamodb:DeleteItem",
	}, r.store.table.TableArn())
	r.allowIn(r.store.account, []string{"s3:ListBucket", "s3:ListBucketMultipartUploads"}, r.store.bucket.BucketArn())
	r.allowIn(r.store.account, []string{"s3:DeleteObject", "s3:AbortMultipartUpload"}, r.store.bucket.ArnForObjects(jsii.String("*")))
	for _, p := range r.store.destinations {
		r.allowIn(p.account, []string{"s3:ListBucketMultipartUploads"}, p.bucket.BucketArn())
		r.allowIn(p.account, []string{"s3:AbortMultipartUpload"}, p.objects())
	}
}

// attachToNetwork lets Lambda attach a function to the network: the actions of
// AWSLambdaENIManagementAccess.
func (r rights) attachToNetwork() {
	r.allow([]string{
		"ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets",
		"ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
	}, jsii.String("*"))
}

// mountFiles lets a Batch job mount the file system. For functions the CDK does it.
func (r rights) mountFiles() {
	r.role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions:   jsii.Strings("elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"),
		Resources: &[]*string{r.store.files.FileSystemArn()},
		Conditions: &map[string]any{
			"StringEquals": map[string]any{"elasticfilesystem:AccessPointArn": r.store.access.AccessPointArn()},
		},
	}))
}
