package s3blob

import (
	"context"
	"net/http"
	"os"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
)

// Account is S3, or a server that speaks its protocol, as the settings of this process say: credentials,
// region and endpoint are found where the AWS command line finds them.
type Account struct{ client *s3.Client }

// credentialsPatience bounds how long credentials are looked for: on a machine that is none of EC2's, asking
// the metadata service takes some seconds.
const credentialsPatience = 20 * time.Second

// idleConnections is how long a connection stays open that nothing uses.
const idleConnections = 2 * time.Second

// Connect finds the settings. endpoint is the URL of the server; "": as the settings say, or S3 itself. It makes
// no request to the server.
func Connect(ctx context.Context, endpoint string) (*Account, error) {
	// Each job has a client of its own, which cannot be told that the job is over.
	client := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.IdleConnTimeout = idleConnections })
	settings, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(client))
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "settings of AWS")
	}
	requests := s3.NewFromConfig(settings, func(o *s3.Options) {
		if endpoint != "" {
			o.BaseEndpoint = &endpoint
		}
		if o.BaseEndpoint != nil {
			// Servers other than AWS rarely have a name for each bucket, and often no region.
			o.UsePathStyle = true
			if o.Region == "" {
				o.Region = "us-east-1"
			}
		}
	})
	if requests.Options().Region == "" {
		return nil, fault.WithHint(fault.New(fault.Invalid, "no region of AWS is set"), "set AWS_REGION, or region in ~/.aws/config")
	}
	ctx, cancel := context.WithTimeout(ctx, credentialsPatience)
	defer cancel()
	if _, err := requests.Options().Credentials.Retrieve(ctx); err != nil {
		return nil, fault.WithHint(fault.Wrap(fault.Invalid, err, "credentials of AWS"),
			"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, as for the AWS command line")
	}
	return &Account{requests}, nil
}

// Store returns the store of a bucket. All stores of an account compose from each other by copies in S3.
func (a *Account) Store(bucket string) (*Store, error) { return New(a.client, bucket, "", Options{}) }

// Environment returns those variables of this process by which a child process finds the same settings.
func Environment() (list []string) {
	for _, name := range []string{
		"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION",
		"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE",
		"AWS_CA_BUNDLE", "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
		"AWS_EC2_METADATA_DISABLED",
	} {
		if value, ok := os.LookupEnv(name); ok {
			list = append(list, name+"="+value)
		}
	}
	return list
}

// CheckWritable returns an error if no object can be written at key. It leaves nothing there: it begins an upload and
// gives it up.
func (s *Store) CheckWritable(ctx context.Context, key string) error {
	name, err := s.begin(ctx, "write", key)
	if err != nil {
		return err
	}
	begun, err := s.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &s.bucket, Key: &name})
	if err != nil {
		return s.fail(ctx, "write", key, err)
	}
	_, err = s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.bucket, Key: &name, UploadId: begun.UploadId})
	if err != nil {
		return s.fail(ctx, "write", key, err)
	}
	return nil
}

// KeepExisting returns a store of the same bucket whose Put and Compose fail with kind fault.Invalid where there is an object
// already when they begin. Other than in a folder, one that appears meanwhile is replaced.
func (s *Store) KeepExisting() *Store {
	other := *s
	other.keep = true
	return &other
}

// checkAbsent returns an error if the store keeps existing objects and there is one at key.
func (s *Store) checkAbsent(ctx context.Context, key string) error {
	if !s.keep {
		return nil
	}
	switch _, err := s.Stat(ctx, key); {
	case err == nil:
		return fault.New(fault.Invalid, "%s exists, and is not to be replaced", s.url(key))
	case fault.KindOf(err) != fault.NotFound:
		return err
	}
	return nil
}

var _ blob.Store = (*Store)(nil)
