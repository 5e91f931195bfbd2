// Package dynamotest runs a DynamoDB server for tests: dynalite, one of package.json's development
// tools.
//
//	server := dynamotest.Start(t)
//	l := dynamo.New(server.Client(nil), server.NewTable(t))
package dynamotest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/mapreel/mapreel/pkg/ledger/dynamo"
)

// Region, AccessKey and SecretKey are used by the server's clients. The server accepts any.
const (
	Region    = "us-east-1"
	AccessKey = "tester"
	SecretKey = "not-a-secret"
)

// program runs dynalite, whose path is its argument, on a free port and prints the port. It exits when
// its standard input is closed.
const program = `
process.stdin.on('end', () => process.exit()).resume()
const server = require(process.argv[1])({ createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 })
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
`

// Server is a running server. Its tables are in memory.
type Server struct {
	Endpoint string // "http://127.0.0.1:1234"
	tables   atomic.Int64
}

// Start runs a server until the test ends. If dynalite is not installed, the test fails and names the
// command that installs it.
func Start(t *testing.T) *Server {
	t.Helper()
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "node_modules", ".bin", "dynalite")); err != nil {
		t.Fatalf("dynalite, the DynamoDB server of the tests, is not installed (%v): run npm ci in %s", err, root)
	}
	cmd := exec.Command("node", "-e", program, filepath.Join(root, "node_modules", "dynalite")) //nolint:noctx // see Cleanup
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start node, which runs the DynamoDB server of the tests: %v: install Node.js 20 or newer", err)
	}
	t.Cleanup(func() {
		_ = stdin.Close() // the server exits, as it does if this process is killed
		stop := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		defer stop.Stop()
		_ = cmd.Wait()
	})
	port, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("dynalite did not start: %v", err)
	}
	return &Server{Endpoint: "http://127.0.0.1:" + strings.TrimSpace(port)}
}

// moduleRoot returns the folder of go.mod.
func moduleRoot() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		_, err := os.Stat(filepath.Join(folder, "go.mod"))
		if err == nil {
			return folder, nil
		}
		parent := filepath.Dir(folder)
		if !errors.Is(err, fs.ErrNotExist) || parent == folder {
			return "", fmt.Errorf("find go.mod: %w", err)
		}
		folder = parent
	}
}

// Client returns a client of the server. change may alter its options; nil changes nothing.
func (s *Server) Client(change func(*dynamodb.Options)) *dynamodb.Client {
	options := dynamodb.Options{
		BaseEndpoint: aws.String(s.Endpoint), Region: Region,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: AccessKey, SecretAccessKey: SecretKey}, nil
		}),
	}
	if change != nil {
		change(&options)
	}
	return dynamodb.New(options)
}

// NewTable creates an empty ledger table and returns its name.
func (s *Server) NewTable(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("ledger-%d", s.tables.Add(1))
	client := s.Client(nil)
	if _, err := client.CreateTable(t.Context(), dynamo.TableInput(name)); err != nil {
		t.Fatal(err)
	}
	waiter := dynamodb.NewTableExistsWaiter(client, func(o *dynamodb.TableExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = time.Millisecond, 100*time.Millisecond
	})
	if err := waiter.Wait(t.Context(), &dynamodb.DescribeTableInput{TableName: &name}, 30*time.Second); err != nil {
		t.Fatal(err)
	}
	return name
}
