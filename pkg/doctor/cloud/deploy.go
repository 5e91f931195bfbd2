package cloud

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// leastBootstrap is the oldest version of the CDK's bootstrap stack that its templates accept (their rule CheckBootstrapVersion).
const leastBootstrap = 6

// bootstrap looks for the stack through which the CDK deploys.
func (e *examiner) bootstrap(ctx context.Context) {
	hint := fmt.Sprintf("npx cdk bootstrap aws://%s/%s", e.account, e.region)
	out, err := e.cloudformation().DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: aws.String("CDKToolkit")})
	switch {
	case isCode(err, "ValidationError"): // there is no such stack
		e.fail("bootstrap", "the CDK's bootstrap stack is missing", hint)
		return
	case err != nil:
		e.unread("bootstrap", "cloudformation:DescribeStacks", err)
		return
	}
	for _, s := range out.Stacks {
		for _, o := range s.Outputs {
			if aws.ToString(o.OutputKey) != "BootstrapVersion" {
				continue
			}
			version, err := strconv.Atoi(aws.ToString(o.OutputValue))
			if err != nil || version < leastBootstrap {
				e.fail("bootstrap", fmt.Sprintf("version %s; at least %d is needed", aws.ToString(o.OutputValue), leastBootstrap), hint)
				return
			}
			e.ok("bootstrap", "version %d", version)
			return
		}
	}
	e.fail("bootstrap", "the stack CDKToolkit has no version: it is of the CDK before 2", hint)
}

// qualifier is part of the names of the bootstrap stack's resources, unless an account changed it.
const qualifier = "hnb659fds"

// deployRoles are the roles of the bootstrap stack that a deploy assumes.
var deployRoles = []string{"deploy-role", "file-publishing-role", "image-publishing-role"}

func roleARN(role, account, region string) string {
	return fmt.Sprintf("arn:%s:iam::%s:role/cdk-%s-%s-%s-%s", partition(region), account, qualifier, role, account, region)
}

// partition returns the partition of a region.
func partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// roles assumes each role that a deploy assumes. That is all that a deploying user needs to be allowed: what is deployed is
// done by CloudFormation's own role.
func (e *examiner) roles(ctx context.Context) {
	var missing []string
	for _, role := range deployRoles {
		_, err := e.sts().AssumeRole(ctx, &sts.AssumeRoleInput{
			RoleArn: aws.String(roleARN(role, e.account, e.region)), RoleSessionName: aws.String("mapreel-doctor"), DurationSeconds: aws.Int32(900),
		})
		switch {
		case isDenied(err):
			missing = append(missing, role)
		case err != nil:
			e.unread("permissions", "sts:AssumeRole", err)
			return
		}
	}
	if len(missing) > 0 {
		e.fail("permissions", "these credentials may not assume the bootstrap stack's "+strings.Join(missing, ", "),
			"bootstrap the account, and allow what mapreel doctor --policy prints")
		return
	}
	e.ok("permissions", "these credentials may deploy")
}

// policy returns the least policy with which a user can deploy, and with which all checks of Examine are answered.
func policy(account, region string) string {
	var roles []string
	for _, role := range append(deployRoles, "lookup-role") {
		roles = append(roles, roleARN(role, account, region))
	}
	type statement struct {
		Sid      string
		Effect   string
		Action   []string
		Resource []string
	}
	document := struct {
		Version   string
		Statement []statement
	}{"2012-10-17", []statement{
		{"Deploy", "Allow", []string{"sts:AssumeRole"}, roles},
		{"Doctor", "Allow", []string{
			"batch:DescribeJobDefinitions", "cloudformation:DescribeStacks", "ec2:DescribeInstanceTypeOfferings",
			"ec2:DescribeRouteTables", "ec2:DescribeSubnets", "ec2:DescribeVpcAttribute", "ec2:DescribeVpcEndpoints",
			"ecr:BatchGetImage", "lambda:GetAccountSettings", "lambda:GetFunction", "servicequotas:GetServiceQuota", "states:DescribeStateMachine",
		}, []string{"*"}},
	}}
	data, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		panic("cloud: " + err.Error()) // text only
	}
	return string(data) + "\n"
}

// ecrImage is the form of an image in ECR.
var ecrImage = regexp.MustCompile(`^(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([^:@]+)(?::([^:@]+)|@(sha256:[0-9a-f]{64}))$`)

// image looks at the image that the functions will have, or for Docker.
func (e *examiner) image(ctx context.Context) {
	if e.ImageURI == "" {
		if err := e.Docker(ctx); err != nil {
			e.fail("image", "Docker cannot build it here: "+brief(err), "install and start Docker, or give --image-uri, an image in ECR that was built elsewhere")
			return
		}
		e.ok("image", "Docker builds it when deploying")
		return
	}
	m := ecrImage.FindStringSubmatch(e.ImageURI)
	switch {
	case m == nil:
		e.fail("image", e.ImageURI+" is not an image in ECR", "such as "+e.account+".dkr.ecr."+e.region+".amazonaws.com/mapreel:v1")
		return
	case m[2] != e.region:
		e.fail("image", fmt.Sprintf("the image is in %s, and Lambda takes it from its own region, %s", m[2], e.region), "push it to a repository in "+e.region)
		return
	}
	id := ecrtypes.ImageIdentifier{}
	if m[4] != "" {
		id.ImageTag = aws.String(m[4])
	} else {
		id.ImageDigest = aws.String(m[5])
	}
	out, err := e.ecr().BatchGetImage(ctx, &ecr.BatchGetImageInput{
		RegistryId: aws.String(m[1]), RepositoryName: aws.String(m[3]), ImageIds: []ecrtypes.ImageIdentifier{id},
	})
	switch {
	case isCode(err, "RepositoryNotFoundException") || err == nil && len(out.Images) == 0:
		e.fail("image", e.ImageURI+" does not exist", "push it, or leave out --image-uri to have it built")
	case err != nil:
		e.unread("image", "ecr:BatchGetImage", err)
	case isIndex(aws.ToString(out.Images[0].ImageManifestMediaType)):
		e.fail("image", "it is an index of images, as docker buildx writes with attestations; Lambda takes a single image",
			"build it with docker buildx build --provenance=false --sbom=false")
	default:
		e.ok("image", "%s", e.ImageURI)
	}
}

// isIndex reports whether a manifest is a list of images.
func isIndex(mediaType string) bool {
	return mediaType == "application/vnd.oci.image.index.v1+json" || mediaType == "application/vnd.docker.distribution.manifest.list.v2+json"
}
