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

// image is a container image of functions and Batch jobs.
type image struct {
	repository awsecr.IRepository
	tag        string // or digest
	platform   awslambda.Architecture
}

// images are those of a deployment. An image that was built elsewhere is both. blender is unset where no scenes are rendered.
type images struct {
	usual, blender image
	tools          map[string]image // by the name of the tool's image; "" of those that name none
	toolsDigest    string           // of the tools that were built in; "": none
	chosen         settings
}

// of returns the image of a class.
func (i images) of(c work.Class) image {
	if i.chosen.hasBlender(c) {
		return i.blender
	}
	if t, ok := i.chosen.toolOf(c); ok {
		return i.tools[t.Image]
	}
	return i.usual
}

// newImages returns the image that was named, or has them built from root when the stack is deployed. Synthesis needs no Docker
// either way.
func newImages(stack awscdk.Stack, chosen settings, root string) (list images, err error) {
	list.chosen = chosen
	if chosen.imageURI != "" {
		list.usual = namedImage(stack, chosen)
		list.blender = list.usual
		return list, nil
	}
	if root, list.toolsDigest, err = withTools(chosen, root, *awscdk.Stage_Of(stack).Outdir()); err != nil {
		return list, err
	}
	if list.usual, err = builtImage(stack, chosen, "Image", root, "functions/Dockerfile", buildArguments(chosen, blender{})); err != nil {
		return list, err
	}
	if chosen.render {
		list.blender, err = builtImage(stack, chosen, "RenderImage", root, "functions/render.Dockerfile", buildArguments(chosen, chosen.blender))
	}
	if err == nil {
		list.tools, err = toolImages(stack, chosen, root)
	}
	return list, err
}

// platforms returns what images are built for.
func platforms(chosen settings) (awslambda.Architecture, awsecrassets.Platform) {
	if chosen.arch == "arm64" {
		return awslambda.Architecture_ARM_64(), awsecrassets.Platform_LINUX_ARM64()
	}
	return awslambda.Architecture_X86_64(), awsecrassets.Platform_LINUX_AMD64()
}

func namedImage(stack awscdk.Stack, chosen settings) image {
	m := ecrImage.FindStringSubmatch(chosen.imageURI)
	platform, _ := platforms(chosen)
	repository := awsecr.Repository_FromRepositoryAttributes(stack, jsii.String("Image"), &awsecr.RepositoryAttributes{
		RepositoryName: jsii.String(m[3]),
		RepositoryArn: stack.FormatArn(&awscdk.ArnComponents{
			Service: jsii.String("ecr"), Account: jsii.String(m[1]), Region: jsii.String(m[2]),
			Resource: jsii.String("repository"), ResourceName: jsii.String(m[3]),
		}),
	})
	return image{repository, m[4] + m[5], platform}
}

func builtImage(stack awscdk.Stack, chosen settings, id, root, recipe string, arguments *map[string]*string) (image, error) {
	platform, target := platforms(chosen)
	if _, err := os.Stat(filepath.Join(root, recipe)); err != nil {
		return image{}, fmt.Errorf("mapreel: %w: run this in a checkout of the project, or give -c imageUri=…", err)
	}
	asset := awsecrassets.NewDockerImageAsset(stack, jsii.String(id), &awsecrassets.DockerImageAssetProps{
		Directory: jsii.String(root),
		File:      jsii.String(recipe),
		Platform:  target,
		BuildArgs: arguments,
		// Only what the program is built from, so that a change of the README does not make a new image.
		IgnoreMode: awscdk.IgnoreMode_DOCKER,
		Exclude:    jsii.Strings(exclusions(chosen)...),
	})
	return image{asset.Repository(), *asset.ImageTag(), platform}, nil
}

// exclusions lists what is no part of an image, as patterns of .dockerignore.
func exclusions(chosen settings) []string {
	list := []string{"*", "!go.mod", "!go.sum", "!functions", "!pkg", "**/testdata", "**/*_test.go"}
	if chosen.toolsFile != "" {
		list = append(list, "!"+toolFilesFolder)
	}
	return list
}

// buildArguments returns the arguments of a recipe. They are a part of the image's tag, so a new value makes a new image.
func buildArguments(chosen settings, build blender) *map[string]*string {
	arguments := map[string]*string{}
	if chosen.packages != "" {
		arguments["PACKAGES"] = jsii.String(chosen.packages)
	}
	if chosen.baseImage != "" {
		arguments["BASE"] = jsii.String(chosen.baseImage)
	}
	if build != (blender{}) {
		arguments["BLENDER_URL"], arguments["BLENDER_SHA256"] = jsii.String(build.url), jsii.String(build.sha256)
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
