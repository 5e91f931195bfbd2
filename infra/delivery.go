package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudfront"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudfrontorigins"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/jsii-runtime-go"
)

// Lifetimes in CloudFront's caches, in seconds. Objects of packages say themselves how long they stay valid (Cache-Control);
// these hold for those that do not, such as an .mp4, which the same request may replace.
const (
	leastLifetime = 0
	usualLifetime = 60
	mostLifetime  = 365 * 24 * 3600
)

// newDelivery makes a distribution of the outputs in the media bucket, which stays private: CloudFront signs its requests
// (origin access control). It returns nil where there is none.
func newDelivery(stack awscdk.Stack, chosen settings, store storage) awscloudfront.Distribution {
	if chosen.delivery != "cloudfront" {
		return nil
	}
	origins := chosen.corsOrigins
	if len(origins) == 0 {
		origins = []string{"*"}
	}
	// S3 answers the preflight of a range request; CloudFront adds the headers to everything else.
	store.media.AddCorsRule(&awss3.CorsRule{
		AllowedMethods: &[]awss3.HttpMethods{awss3.HttpMethods_GET, awss3.HttpMethods_HEAD},
		AllowedOrigins: jsii.Strings(origins...), AllowedHeaders: jsii.Strings("*"), MaxAge: jsii.Number(86400),
	})
	headers := awscloudfront.NewResponseHeadersPolicy(stack, jsii.String("DeliveryHeaders"), &awscloudfront.ResponseHeadersPolicyProps{
		Comment: jsii.String("mapreel: players on other pages"),
		CorsBehavior: &awscloudfront.ResponseHeadersCorsBehavior{
			AccessControlAllowCredentials: jsii.Bool(false), AccessControlAllowHeaders: jsii.Strings("*"),
			AccessControlAllowMethods: jsii.Strings("GET", "HEAD", "OPTIONS"), AccessControlAllowOrigins: jsii.Strings(origins...),
			AccessControlExposeHeaders: jsii.Strings("Content-Length", "Content-Range", "ETag", "Date"),
			AccessControlMaxAge:        awscdk.Duration_Days(jsii.Number(1)), OriginOverride: jsii.Bool(true),
		},
	})
	behaviour := func(id string, least, usual float64) *awscloudfront.BehaviorOptions {
		return &awscloudfront.BehaviorOptions{
			Origin: awscloudfrontorigins.S3BucketOrigin_WithOriginAccessControl(store.media, &awscloudfrontorigins.S3BucketOriginWithOACProps{
				OriginPath: jsii.String("/out"), // nothing else of the bucket can be reached
			}),
			ViewerProtocolPolicy: awscloudfront.ViewerProtocolPolicy_REDIRECT_TO_HTTPS,
			AllowedMethods:       awscloudfront.AllowedMethods_ALLOW_GET_HEAD_OPTIONS(),
			CachedMethods:        awscloudfront.CachedMethods_CACHE_GET_HEAD_OPTIONS(),
			CachePolicy: awscloudfront.NewCachePolicy(stack, jsii.String(id), &awscloudfront.CachePolicyProps{
				Comment: jsii.String("mapreel: " + id),
				MinTtl:  awscdk.Duration_Seconds(jsii.Number(least)), DefaultTtl: awscdk.Duration_Seconds(jsii.Number(usual)),
				MaxTtl:                   awscdk.Duration_Seconds(jsii.Number(mostLifetime)),
				EnableAcceptEncodingGzip: jsii.Bool(true), EnableAcceptEncodingBrotli: jsii.Bool(true), // of playlists and subtitles
			}),
			OriginRequestPolicy:   awscloudfront.OriginRequestPolicy_CORS_S3_ORIGIN(),
			ResponseHeadersPolicy: headers,
		}
	}
	// A media segment's folder is named after its job, so that what is below a name never changes.
	segments := behaviour("DeliverySegments", mostLifetime, mostLifetime)
	distribution := awscloudfront.NewDistribution(stack, jsii.String("Delivery"), &awscloudfront.DistributionProps{
		Comment:             jsii.String("mapreel: outputs of " + *stack.StackName()),
		DefaultBehavior:     behaviour("DeliveryFiles", leastLifetime, usualLifetime),
		AdditionalBehaviors: &map[string]*awscloudfront.BehaviorOptions{"*.m4s": segments},
		HttpVersion:         awscloudfront.HttpVersion_HTTP2_AND_3,
	})
	const yours = " A deployment with a domain of its own can change the distribution."
	excuse(distribution, "CFR1", "Where outputs may be seen is for their owner to say."+yours)
	excuse(distribution, "CFR2", "The distribution serves files to GET and runs nothing."+yours)
	excuse(distribution, "CFR3", "Access logs need a bucket that never empties. CloudFront's metrics and reports cost nothing."+yours)
	excuse(distribution, "CFR4", "The domain cloudfront.net has a certificate of its own, with which no other protocol can be chosen."+yours)
	excuse(store.media.Policy(), "IAM5", "CloudFront reads outputs, whose keys are not known before; a condition names the distribution.")
	return distribution
}
