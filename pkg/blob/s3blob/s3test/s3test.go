// Package s3test runs a real S3 server for tests: the Versity gateway over a folder. It supports
// signatures, ranges, UploadPartCopy and conditional requests. A process can run only one gateway, so
// it runs in a child process, which is the test binary itself:
//
//	func TestMain(m *testing.M) {
//		s3test.ServeInChild()
//		os.Exit(m.Run())
//	}
//
//	func TestX(t *testing.T) {
//		server := s3test.Start(t)
//		bucket := server.NewBucket(t)
//		…
//	}
package s3test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
)

// The credentials and region that the server accepts.
const (
	AccessKey = "tester"
	SecretKey = "not-a-secret"
	Region    = "us-east-1"
)

const (
	rootEnv, addressEnv = "MAPREEL_TEST_S3_ROOT", "MAPREEL_TEST_S3_ADDRESS"

	// patience bounds the start and the end of the server, on a machine that compiles at the same time.
	patience = 60 * time.Second

	healthPath = "/healthz"
)

// ServeInChild runs the server in the process that Start starts, and does not return there. In every
// other process it does nothing. TestMain calls it first.
func ServeInChild() {
	root := os.Getenv(rootEnv)
	if root == "" {
		return
	}
	go func() { // this pipe is closed when the parent ends, even if it is killed
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0) // a graceful shutdown would wait up to 10 s for idle connections
	}()
	err := serve(root, os.Getenv(addressEnv))
	fmt.Fprintln(os.Stderr, "s3test: the server ended:", err)
	os.Exit(1)
}

func serve(root, address string) error {
	backend, err := posix.New(root, meta.XattrMeta{}, posix.PosixOpts{
		Concurrency: 256, CopyObjectThreshold: 5 << 30, // S3's limit; with zero it refuses every copy
	})
	if err != nil {
		return err
	}
	return embedgw.RunVersityGW(context.Background(), backend, &embedgw.Config{
		RootUserAccess: AccessKey, RootUserSecret: SecretKey, Region: Region,
		Ports: []string{address}, MaxConnections: 1000, MaxRequests: 1000, MultipartMaxParts: 10_000,
		HealthPath: healthPath, KeepAlive: true, Quiet: true,
	})
}

// Server is a running S3 server.
type Server struct {
	Endpoint string // "http://127.0.0.1:1234"
	Root     string // the folder that holds the buckets
	buckets  atomic.Int64
}

// Start runs a server until the test ends.
func Start(t *testing.T) *Server {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	s := &Server{Endpoint: "http://" + address, Root: t.TempDir()}
	child := exec.Command(os.Args[0]) //nolint:noctx // it exits when its standard input is closed, and Cleanup waits for that
	child.Env = append(os.Environ(), rootEnv+"="+s.Root, addressEnv+"="+address)
	child.Stderr = os.Stderr
	var stdout strings.Builder
	child.Stdout = &stdout
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- child.Wait() }()
	t.Cleanup(func() {
		_ = stdin.Close()
		stop := time.AfterFunc(patience, func() { _ = child.Process.Kill() })
		defer stop.Stop()
		if err := <-exited; err != nil {
			t.Errorf("the S3 server: %v", err)
		}
	})
	if err := s.ready(t.Context(), exited); err != nil {
		t.Fatalf("the S3 server did not start: %v\n%s", err, stdout.String())
	}
	return s
}

// ready waits until the server responds.
func (s *Server) ready(ctx context.Context, exited chan error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Endpoint+healthPath, nil)
		if err != nil {
			return err
		}
		if response, err := http.DefaultClient.Do(request); err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case err := <-exited:
			exited <- err
			return errors.Join(errors.New("it exited"), err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Client returns a client of the server. change may alter its options; nil changes nothing.
func (s *Server) Client(change func(*s3.Options)) *s3.Client {
	options := s3.Options{
		BaseEndpoint: aws.String(s.Endpoint), Region: Region, UsePathStyle: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: AccessKey, SecretAccessKey: SecretKey}, nil
		}),
	}
	if change != nil {
		change(&options)
	}
	return s3.New(options)
}

// NewBucket creates an empty bucket and returns its name.
func (s *Server) NewBucket(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("bucket-%d", s.buckets.Add(1))
	if _, err := s.Client(nil).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatal(err)
	}
	return name
}
