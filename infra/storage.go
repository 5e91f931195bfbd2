package main

import (
	"fmt"
	"math"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsefs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/jsii-runtime-go"

	"github.com/mapreel/mapreel/pkg/ledger/dynamo"
	"github.com/mapreel/mapreel/statemachine"
)

// mountPoint is where functions and Batch jobs mount the shared file system. Lambda allows only
// paths below /mnt.
const mountPoint = "/mnt/scratch"

// workerID is the user and group that the image runs as. The access point makes them the owner of
// every file.
const workerID = "1000"

// storage is what outlives a worker: the ledger, scratch, sources and destinations.
type storage struct {
	table        awsdynamodb.Table
	bucket       awss3.Bucket // scratch: lists of units, and with scratch=s3 artifacts
	files        awsefs.FileSystem
	access       awsefs.AccessPoint // nil with scratch=s3
	sources      []place
	destinations []place
	keys         []string // of the scratch bucket
	account      *string  // of the deployment, to which the table and the buckets that the stack makes belong
	bus          awsevents.EventBus
	media        awss3.Bucket // nil where existing buckets hold sources and outputs
}

// place is a prefix of a bucket.
type place struct {
	bucket  awss3.IBucket
	prefix  string
	keys    []string // in KMS
	account *string  // that the bucket must belong to
}

// objects returns the ARN of all objects in a place.
func (p place) objects() *string { return p.bucket.ArnForObjects(jsii.String(p.prefix + "*")) }

func newStorage(stack awscdk.Stack, chosen settings, net *network) storage {
	key := ownKey(stack, chosen)
	s := storage{table: newTable(stack), bucket: newScratchBucket(stack, chosen, key), account: stack.Account()}
	if key != nil {
		s.keys = []string{chosen.own}
	}
	if chosen.scratch == "efs" {
		s.files, s.access = newFiles(stack, net, key)
	}
	if len(chosen.sourceBuckets) == 0 || len(chosen.destinationBuckets) == 0 {
		s.media = newMediaBucket(stack, chosen, key)
	}
	s.sources = s.places(stack, "Source", chosen, chosen.sourceBuckets, chosen.keys.sources, "in/")
	s.destinations = s.places(stack, "Destination", chosen, chosen.destinationBuckets, chosen.keys.destinations, "out/")
	return s
}

// places returns the existing buckets of a purpose, or the media bucket's prefix for it.
func (s storage) places(stack awscdk.Stack, id string, chosen settings, names, keys []string, prefix string) []place {
	if len(names) == 0 {
		return []place{{s.media, prefix, s.keys, s.account}}
	}
	var list []place
	for i, name := range names {
		bucket := awss3.Bucket_FromBucketName(stack, jsii.String(fmt.Sprint(id, i)), jsii.String(name))
		account := s.account
		if other, ok := chosen.accounts[name]; ok {
			account = jsii.String(other)
		}
		list = append(list, place{bucket, "", keys, account})
	}
	return list
}

// encryption returns how a bucket is encrypted with a key, which may be nil. A bucket key makes one call of KMS serve many objects.
func encryption(key awskms.IKey) (awss3.BucketEncryption, *bool) {
	if key == nil {
		return awss3.BucketEncryption_S3_MANAGED, nil
	}
	return awss3.BucketEncryption_KMS, jsii.Bool(true)
}

func newTable(stack awscdk.Stack) awsdynamodb.Table {
	table := awsdynamodb.NewTable(stack, jsii.String("Ledger"), &awsdynamodb.TableProps{
		PartitionKey:        &awsdynamodb.Attribute{Name: jsii.String(dynamo.PartitionKey), Type: awsdynamodb.AttributeType_STRING},
		SortKey:             &awsdynamodb.Attribute{Name: jsii.String(dynamo.SortKey), Type: awsdynamodb.AttributeType_STRING},
		BillingMode:         awsdynamodb.BillingMode_PAY_PER_REQUEST,
		TimeToLiveAttribute: jsii.String(dynamo.TTL),
		RemovalPolicy:       awscdk.RemovalPolicy_DESTROY,
	})
	excuse(table, "DDB3", "Records live for weeks at most. A job whose records are lost is planned again from the source.")
	return table
}

// lateRedrives is how often an execution may be redriven at the last moment and still find what it made at first.
const lateRedrives = 3

// artifactDays is how long an artifact may be needed: by the execution that made it, and by one that is redriven as late as
// possible, several times. The function that collects garbage removes it much earlier: this is for what that cannot remove.
func artifactDays(chosen settings) float64 {
	run := statemachine.TimeLimit()
	return math.Ceil((run+lateRedrives*(chosen.redrive()+run)).Hours()/24) + 1
}

func newScratchBucket(stack awscdk.Stack, chosen settings, key awskms.IKey) awss3.Bucket {
	encrypted, bucketKey := encryption(key)
	bucket := awss3.NewBucket(stack, jsii.String("Scratch"), &awss3.BucketProps{
		BlockPublicAccess: awss3.BlockPublicAccess_BLOCK_ALL(),
		Encryption:        encrypted,
		EncryptionKey:     key,
		BucketKeyEnabled:  bucketKey,
		EnforceSSL:        jsii.Bool(true),
		ObjectOwnership:   awss3.ObjectOwnership_BUCKET_OWNER_ENFORCED,
		LifecycleRules: &[]*awss3.LifecycleRule{{
			Id:                                  jsii.String("artifacts"),
			Expiration:                          awscdk.Duration_Days(jsii.Number(artifactDays(chosen))),
			AbortIncompleteMultipartUploadAfter: awscdk.Duration_Days(jsii.Number(1)),
		}},
		AutoDeleteObjects: jsii.Bool(true),
		RemovalPolicy:     awscdk.RemovalPolicy_DESTROY,
	})
	excuse(bucket.Policy(), "IAM5", "The CDK's function that empties the bucket when the stack is deleted must list and delete whatever is there.")
	excuse(bucket, "S1", "Artifacts are short-lived and only mapreel's roles can read them; a log line for each costs more than the artifact.")
	return bucket
}

func newMediaBucket(stack awscdk.Stack, chosen settings, key awskms.IKey) awss3.Bucket {
	encrypted, bucketKey := encryption(key)
	bucket := awss3.NewBucket(stack, jsii.String("Media"), &awss3.BucketProps{
		BlockPublicAccess: awss3.BlockPublicAccess_BLOCK_ALL(),
		Encryption:        encrypted,
		EncryptionKey:     key,
		BucketKeyEnabled:  bucketKey,
		EnforceSSL:        jsii.Bool(true),
		ObjectOwnership:   awss3.ObjectOwnership_BUCKET_OWNER_ENFORCED,
		LifecycleRules: &[]*awss3.LifecycleRule{{
			Id:                                  jsii.String("unfinished-uploads"),
			AbortIncompleteMultipartUploadAfter: awscdk.Duration_Days(jsii.Number(1)),
		}},
		RemovalPolicy: awscdk.RemovalPolicy_RETAIN, // it holds the user's media
	})
	if chosen.startOnUpload {
		// The construct's own property would add a custom resource with a function, only to set this one.
		bucket.Node().DefaultChild().(awss3.CfnBucket).AddPropertyOverride(
			jsii.String("NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled"), true)
	}
	excuse(bucket, "S1", "Access logs need a bucket that never empties. CloudTrail's data events record the same where they are needed.")
	return bucket
}

func newFiles(stack awscdk.Stack, net *network, key awskms.IKey) (awsefs.FileSystem, awsefs.AccessPoint) {
	group := awsec2.NewSecurityGroup(stack, jsii.String("Files"), &awsec2.SecurityGroupProps{
		Vpc: net.vpc, Description: jsii.String("mapreel file system: NFS from workers"), AllowAllOutbound: jsii.Bool(false),
	})
	group.Connections().AllowFrom(net.workers, awsec2.Port_Tcp(jsii.Number(2049)), jsii.String("NFS")) // adds the rules of both groups
	files := awsefs.NewFileSystem(stack, jsii.String("FileSystem"), &awsefs.FileSystemProps{
		Vpc: net.vpc, VpcSubnets: net.isolated, SecurityGroup: group,
		Encrypted:      jsii.Bool(true),
		KmsKey:         key,
		ThroughputMode: awsefs.ThroughputMode_ELASTIC,
		// What a failed job has left may wait for its redrive for days, at a tenth of the price.
		LifecyclePolicy:        awsefs.LifecyclePolicy_AFTER_1_DAY,
		EnableAutomaticBackups: jsii.Bool(false), // artifacts can be made again
		RemovalPolicy:          awscdk.RemovalPolicy_DESTROY,
		// The policy allows nothing by itself, so only roles that may mount the file system can,
		// and only with TLS.
		FileSystemPolicy: awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &[]awsiam.PolicyStatement{
			awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
				Effect:     awsiam.Effect_DENY,
				Principals: &[]awsiam.IPrincipal{awsiam.NewAnyPrincipal()},
				Actions:    jsii.Strings("*"),
				Conditions: &map[string]any{"Bool": map[string]any{"aws:SecureTransport": "false"}},
			}),
		}}),
		AllowAnonymousAccess: jsii.Bool(true), // keeps the CDK from adding to the policy
	})
	access := files.AddAccessPoint(jsii.String("Artifacts"), &awsefs.AccessPointOptions{
		Path:      jsii.String("/artifacts"),
		CreateAcl: &awsefs.Acl{OwnerUid: jsii.String(workerID), OwnerGid: jsii.String(workerID), Permissions: jsii.String("750")},
		PosixUser: &awsefs.PosixUser{Uid: jsii.String(workerID), Gid: jsii.String(workerID)},
	})
	return files, access
}
