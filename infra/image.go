package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsecr"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsecrassets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsecs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/jsii-runtime-go"

	"github.com/mapreel/mapreel/pkg/work"
)

// program is the path in the image of the one program of all functions and Batch jobs. Its argument
// is the class.
const program = "/opt/mapreel/worker"

// image is the container image that all functions and Batch jobs share.
type image struct {
	repository awsecr.IRepository
	tag        string // or digest
	platform   awslambda.Architecture
}

// newImage returns the image that was named, or has one built from root when the stack is deployed.
// Synthesis needs no Docker either way.
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
		BuildArgs: buildArguments(chosen),
		// Only what the program is built from, so that a change of the README does not make a new image.
		IgnoreMode: awscdk.IgnoreMode_DOCKER,
		Exclude:    jsii.Strings("*", "!go.mod", "!go.sum", "!functions", "!pkg", "**/testdata", "**/*_test.go"),
	})
	img.repository, img.tag = asset.Repository(), *asset.ImageTag()
	return img, nil
}

// buildArguments returns the arguments of functions/Dockerfile. They are a part of the image's tag, so a new value makes a new image.
func buildArguments(chosen settings) *map[string]*string {
	arguments := map[string]*string{}
	if chosen.packages != "" {
		arguments["PACKAGES"] = jsii.String(chosen.packages)
	}
	if chosen.baseImage != "" {
		arguments["BASE"] = jsii.String(chosen.baseImage)
	}
	if len(arguments) == 0 {
		return nil
	}
	return &arguments
}

// function returns the image as the code of the function of a class.
func (i image) function(c work.Class) awslambda.DockerImageCode { return i.run(string(c)) }

// run returns the image as the code of a function that runs the program with an argument.
func (i image) run(argument string) awslambda.DockerImageCode {
	return awslambda.DockerImageCode_FromEcr(i.repository, &awslambda.EcrImageCodeProps{
		TagOrDigest: jsii.String(i.tag), Entrypoint: jsii.Strings(program), Cmd: jsii.Strings(argument),
	})
}

// container returns the image as Batch starts it.
func (i image) container() awsecs.ContainerImage {
	return awsecs.ContainerImage_FromEcrRepository(i.repository, jsii.String(i.tag))
}
