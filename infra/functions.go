package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsecr"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsecrassets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsecs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/jsii-runtime-go"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/statemachine"
)

// function is what a task's Lambda function gets.
type function struct {
	memory  float64        // MiB; every 1,769 are a processor
	minutes float64        // below the 16 that the definition allows the task
	disk    float64        // MiB of /tmp, where ffmpeg works
	allow   func(r rights) // what its stage does, and nothing else
}

// Where each sort of piece lies in scratch, for whatever job, as pkg/film says.
var (
	items    = film.ItemsKey("*")
	splits   = path.Dir(film.SplitKey("*", 0)) + "/*"
	pictures = under(film.VideoUnit(0))
	sounds   = under(film.AudioUnit(0))
	merged   = under(film.OutputUnit("name")) // what Merge hands to ffmpeg on the way to a container that is not ours
)

// under is the pattern of the pieces of every unit like this one.
func under(unit string) string { return path.Dir(film.ArtifactKey("*", unit, 0, 0, "mp4")) + "/*" }

// functions has a row for each of statemachine.Tasks.
var functions = map[string]function{
	"analyse": {1769, 5, 512, func(r rights) { r.readSources(); r.findSources(); r.plan() }},
	"split":   {1769, 15, 10240, func(r rights) { r.readSources(); r.plan(); r.write(splits) }},
	"encode":  {3538, 15, 10240, encoding}, // two processors: film.DefaultThreads
	"audio":   {1769, 15, 4096, func(r rights) { r.readSources(); r.record(); r.write(sounds) }},
	"merge": {1769, 15, 10240, func(r rights) {
		r.readSources() // subtitles and chapters are taken from there
		r.record()
		r.read(pictures, sounds)
		r.write(merged)
		r.publish()
	}},
	"finish": {1024, 10, 512, func(r rights) { r.record(); r.clear() }},
}

// encoding is what Encode may do; its Batch jobs may do the same.
func encoding(r rights) {
	r.readSources()
	r.record()
	r.read(splits)
	r.write(pictures)
	r.deliver()
}

// binaries is the folder in the image where each task's program lies under its name.
const binaries = "/opt/mapreel/"

// image is the container image that all functions and Batch jobs share.
type image struct {
	repository awsecr.IRepository
	tag        string // or digest
	platform   awslambda.Architecture
}

// newImage takes the image that was named, or has one built from root when the stack is deployed. Synthesis needs no
// Docker either way.
func newImage(stack awscdk.Stack, chosen settings, root string) (image, error) {
	img := image{platform: awslambda.Architecture_X86_64()}
	target := awsecrassets.Platform_LINUX_AMD64()
	if chosen.arch == "arm64" {
		img.platform, target = awslambda.Architecture_ARM_64(), awsecrassets.Platform_LINUX_ARM64()
	}
	if m := ecrImage.FindStringSubmatch(chosen.imageURI); m != nil {
		img.repository = awsecr.Repository_FromRepositoryAttributes(stack, jsii.String("Image"), &awsecr.RepositoryAttributes{
			RepositoryName: jsii.String(m[3]),
			RepositoryArn: stack.FormatArn(&awscdk.ArnComponents{
				Service: jsii.String("ecr"), Account: jsii.String(m[1]), Region: jsii.String(m[2]),
				Resource: jsii.String("repository"), ResourceName: jsii.String(m[3]),
			}),
		})
		img.tag = m[4] + m[5]
		return img, nil
	}
	const recipe = "functions/Dockerfile"
	if _, err := os.Stat(filepath.Join(root, recipe)); err != nil {
		return img, fmt.Errorf("mapreel: %w: run this in a checkout of the project, or give -c imageUri=…", err)
	}
	asset := awsecrassets.NewDockerImageAsset(stack, jsii.String("Image"), &awsecrassets.DockerImageAssetProps{
		Directory: jsii.String(root),
		File:      jsii.String(recipe),
		Platform:  target,
		// Only what the programs are built from, so that a word in the README does not make a new image.
		IgnoreMode: awscdk.IgnoreMode_DOCKER,
		Exclude:    jsii.Strings("*", "!go.mod", "!go.sum", "!functions", "!pkg", "!statemachine", "**/testdata", "**/*_test.go"),
	})
	img.repository, img.tag = asset.Repository(), *asset.ImageTag()
	return img, nil
}

// function is the image as the code of a task's function.
func (i image) function(task string) awslambda.DockerImageCode {
	return awslambda.DockerImageCode_FromEcr(i.repository, &awslambda.EcrImageCodeProps{
		TagOrDigest: jsii.String(i.tag), Entrypoint: jsii.Strings(binaries + task),
	})
}

// container is the image as Batch starts it.
func (i image) container() awsecs.ContainerImage {
	return awsecs.ContainerImage_FromEcrRepository(i.repository, jsii.String(i.tag))
}

// newFunctions makes a function for each task, each with a role of its own.
func newFunctions(
	stack awscdk.Stack, chosen settings, net *network, store storage, img image,
) map[string]awslambda.DockerImageFunction {
	made := map[string]awslambda.DockerImageFunction{}
	for _, task := range statemachine.Tasks() {
		f, id := functions[task], statemachine.Placeholder(task)
		logs := awslogs.NewLogGroup(stack, jsii.String(id+"Log"), &awslogs.LogGroupProps{
			Retention: awslogs.RetentionDays_ONE_MONTH, RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
		})
		role := awsiam.NewRole(stack, jsii.String(id+"Role"), &awsiam.RoleProps{
			Description: jsii.String("What the stage " + task + " of mapreel does"),
			AssumedBy:   awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
		})
		logs.GrantWrite(role)
		r := rights{role, store}
		f.allow(r)
		props := &awslambda.DockerImageFunctionProps{
			Description:          jsii.String("mapreel: the stage " + task),
			Code:                 img.function(task),
			Architecture:         img.platform,
			MemorySize:           jsii.Number(f.memory),
			Timeout:              awscdk.Duration_Minutes(jsii.Number(f.minutes)),
			EphemeralStorageSize: awscdk.Size_Mebibytes(jsii.Number(f.disk)),
			Environment:          environment(chosen, store),
			Role:                 role,
			LogGroup:             logs,
		}
		if task == "encode" && chosen.encodeConcurrency > 0 {
			props.ReservedConcurrentExecutions = jsii.Number(chosen.encodeConcurrency)
		}
		if store.access != nil {
			r.sitInNetwork()
			props.Vpc, props.VpcSubnets = net.vpc, net.isolated
			props.SecurityGroups = &[]awsec2.ISecurityGroup{net.workers}
			props.Filesystem = awslambda.FileSystem_FromEfsAccessPoint(store.access, jsii.String(mountPoint))
		}
		made[task] = awslambda.NewDockerImageFunction(stack, jsii.String(id), props)
		excuse(role, "IAM5", reasonForWildcards)
	}
	return made
}

// environment is what every function and Batch job is told.
func environment(chosen settings, store storage) *map[string]*string {
	scratch, batch := jsii.String(mountPoint), "none"
	if store.access == nil {
		scratch = jsii.String("s3://" + *store.bucket.BucketName())
	}
	switch {
	case chosen.gpu:
		batch = "cpu,gpu"
	case chosen.batch:
		batch = "cpu"
	}
	return &map[string]*string{
		"MAPREEL_TABLE":   store.table.TableName(),
		"MAPREEL_SCRATCH": scratch,                   // where pieces lie
		"MAPREEL_ITEMS":   store.bucket.BucketName(), // where the Distributed Map reads its items
		"MAPREEL_BATCH":   jsii.String(batch),        // the queues that there are; Analyse refuses or changes other routes
	}
}

// rights gives a role what a stage does.
type rights struct {
	role  awsiam.Role
	store storage
}

const reasonForWildcards = "Wildcards stand at the end of a prefix that the stage works on, for keys that are not known before a job; " +
	"for streams of the role's own log group; and for network interfaces, which EC2 cannot restrict further."

func (r rights) allow(actions []string, resources ...*string) {
	r.role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions: jsii.Strings(actions...), Resources: &resources,
	}))
}

func (r rights) readSources() {
	for _, p := range r.store.sources {
		r.allow([]string{"s3:GetObject"}, p.objects())
	}
}

// findSources lets a missing source be told from a forbidden one: without it, S3 says 403 to both.
func (r rights) findSources() {
	for _, p := range r.store.sources {
		r.allow([]string{"s3:ListBucket"}, p.bucket.BucketArn())
	}
}

// plan writes a job's record, its units and the list of its segments, and looks at what an earlier run left: pieces in
// scratch, and outputs where they were asked for.
func (r rights) plan() {
	r.allow([]string{
		"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query",
		"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:BatchWriteItem",
	}, r.store.table.TableArn())
	r.allow([]string{"s3:PutObject"}, r.store.bucket.ArnForObjects(jsii.String(items)))
	if r.store.access == nil {
		r.allow([]string{"s3:ListBucket"}, r.store.bucket.BucketArn())
	}
	for _, p := range r.store.destinations {
		r.allow([]string{"s3:GetObject"}, p.objects())
		r.allow([]string{"s3:ListBucket"}, p.bucket.BucketArn()) // "not there" and "forbidden", as with sources
	}
}

// record reads the plan and changes the state of units.
func (r rights) record() {
	r.allow([]string{"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:UpdateItem"}, r.store.table.TableArn())
}

// read and write give pieces in the scratch bucket; with a file system there are none there. Who writes pieces removes
// those of his attempts that nobody will use.
func (r rights) read(patterns ...string) { r.pieces([]string{"s3:GetObject"}, patterns) }

func (r rights) write(patterns ...string) {
	r.pieces([]string{"s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"}, patterns)
}

func (r rights) pieces(actions, patterns []string) {
	if r.store.access != nil {
		return
	}
	for _, pattern := range patterns {
		r.allow(actions, r.store.bucket.ArnForObjects(jsii.String(pattern)))
	}
}

// deliver writes the media segments of packages where players will ask for them.
func (r rights) deliver() {
	for _, p := range r.store.destinations {
		r.allow([]string{"s3:PutObject", "s3:AbortMultipartUpload"}, p.objects())
	}
}

// publish writes outputs, and looks at what was written: it reads files back, and lists the media of packages.
func (r rights) publish() {
	for _, p := range r.store.destinations {
		r.allow([]string{"s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"}, p.objects())
		r.list(p)
	}
}

// list shows what a place holds, and nothing beside it.
func (r rights) list(p place) {
	r.role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions: jsii.Strings("s3:ListBucket"), Resources: &[]*string{p.bucket.BucketArn()},
		Conditions: &map[string]any{"StringLike": map[string]any{"s3:prefix": p.prefix + "*"}},
	}))
}

// clear removes a job's pieces and the list of its segments.
func (r rights) clear() {
	if r.store.access != nil {
		r.allow([]string{"s3:DeleteObject"}, r.store.bucket.ArnForObjects(jsii.String(items)))
		return
	}
	r.allow([]string{"s3:ListBucket"}, r.store.bucket.BucketArn())
	r.allow([]string{"s3:DeleteObject"}, r.store.bucket.ArnForObjects(jsii.String("*")))
}

// sitInNetwork lets Lambda attach a function to the network: the actions of AWSLambdaENIManagementAccess.
func (r rights) sitInNetwork() {
	r.allow([]string{
		"ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets",
		"ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
	}, jsii.String("*"))
}
