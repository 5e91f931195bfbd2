package remote

import (
	"context"
	"errors"
	"fmt"

	"github.com/mapreel/mapreel/pkg/blob/httpblob"
	"github.com/mapreel/mapreel/pkg/client"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/origin"
)

// webSource returns the address of a file that a deployment is to read from a web server. Which servers it reads, it says itself.
func webSource(address string) (string, error) {
	public, secret, err := origin.Conceal(address)
	if err != nil {
		return "", err
	}
	if secret != (httpblob.Secret{}) {
		return "", errors.New("an address with a user, a password or a query would be recorded in the account: copy the film into the deployment's bucket, or download it and name the file")
	}
	return public, nil
}

// identityOf returns what tells the present content of a source that a deployment reads from another.
func identityOf(ctx context.Context, deployment *client.Client, source string) (string, error) {
	if origin.OnWeb(source) {
		return webIdentity(ctx, source)
	}
	return deployment.Identity(ctx, source)
}

// webIdentity returns what tells the present content of a file on a web server from another: a job of other content has another name.
func webIdentity(ctx context.Context, address string) (_ string, err error) {
	places := origin.New(origin.Settings{})
	defer func() { err = errors.Join(err, places.Close()) }()
	store, key, err := places.Resolve(ctx, address)
	if err != nil {
		return "", err
	}
	info, err := store.Stat(ctx, key)
	if err != nil {
		return "", fault.Wrap(fault.KindOf(err), err, "source")
	}
	return fmt.Sprint(info.Version, info.Size), nil
}
