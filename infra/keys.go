package main

import (
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/jsii-runtime-go"
)

// keys are keys in AWS KMS, by their ARNs. Their policies must let IAM policies of the account give access, as the default policy
// does.
type keys struct {
	own          string   // encrypts the buckets and the file system that the stack makes; "" is S3's and EFS's own key
	sources      []string // of existing buckets
	destinations []string
}

// keyARN is the form of a key's ARN. That of an alias would match nothing in a policy.
var keyARN = regexp.MustCompile(`^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+$`)

// keys reads the settings of keys.
func (p *parser) keys(s settings) keys {
	k := keys{own: p.text("kmsKey")}
	if k.own != "" {
		p.checkKey("kmsKey", k.own)
	}
	for name, c := range map[string]struct {
		list    *[]string
		buckets []string
		setting string
	}{
		"sourceKeys":      {&k.sources, s.sourceBuckets, "sourceBuckets"},
		"destinationKeys": {&k.destinations, s.destinationBuckets, "destinationBuckets"},
	} {
		if p.text(name) == "" {
			continue
		}
		*c.list = p.list(name, "")
		if len(c.buckets) == 0 {
			p.bad("%s are of existing buckets; add %s, or give kmsKey for the media bucket", name, c.setting)
		}
		for i, key := range *c.list {
			p.checkKey(name, key)
			if slices.Contains((*c.list)[:i], key) {
				p.bad("%s: %s is listed twice", name, key)
			}
		}
	}
	return k
}

func (p *parser) checkKey(name, key string) {
	switch {
	case strings.Contains(key, ":alias/"):
		p.bad("%s=%s is an alias; give the ARN of its key", name, key)
	case !keyARN.MatchString(key):
		p.bad("%s=%s is not the ARN of a key in KMS, such as arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab", name, key)
	}
}

// ownKey returns the key of what the stack makes, or nil.
func ownKey(stack awscdk.Stack, chosen settings) awskms.IKey {
	if chosen.own == "" {
		return nil
	}
	return awskms.Key_FromKeyArn(stack, jsii.String("Key"), jsii.String(chosen.own))
}

// Actions in KMS that S3 makes on behalf of a role (User Guide, "Using server-side encryption with AWS KMS keys"). An upload in
// parts also decrypts.
var (
	decrypting = []string{"kms:Decrypt"}
	encrypting = []string{"kms:GenerateDataKey", "kms:Decrypt"}
)

// useKeys lets S3 use keys on behalf of a role.
func useKeys(role awsiam.Role, actions, keys []string) {
	if len(keys) == 0 {
		return
	}
	role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions: jsii.Strings(actions...), Resources: jsii.Strings(keys...),
		Conditions: &map[string]any{"StringLike": map[string]any{"kms:ViaService": "s3.*"}},
	}))
}
