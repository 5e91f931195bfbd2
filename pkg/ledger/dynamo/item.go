package dynamo

import (
	"context"
	"encoding/json"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
)

// item is an item of the table, or some of its attributes. Its methods return zero for an attribute
// that is missing.
type item map[string]types.AttributeValue

// key is the key of an item.
type key struct{ pk, sk string }

func (k key) item() item { return item{PartitionKey: text(k.pk), SortKey: text(k.sk)} }

func (i item) key() key { return key{i.text(PartitionKey), i.text(SortKey)} }

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number[T int | int64](n T) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(int64(n), 10)}
}

func (i item) text(name string) string {
	if s, ok := i[name].(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

func (i item) number(name string) int64 {
	if n, ok := i[name].(*types.AttributeValueMemberN); ok {
		if v, err := strconv.ParseInt(n.Value, 10, 64); err == nil { // always, because only this package writes numbers
			return v
		}
	}
	return 0
}

// document returns a JSON text, or nil.
func (i item) document(name string) json.RawMessage {
	if s := i.text(name); s != "" {
		return json.RawMessage(s)
	}
	return nil
}

func (i item) millis(name string) time.Time {
	if n := i.number(name); n != 0 {
		return time.UnixMilli(n).UTC()
	}
	return time.Time{}
}

func (i item) failure() (*ledger.Failure, error) {
	doc := i.document("failure")
	if doc == nil {
		return nil, nil //nolint:nilnil // no failure is recorded
	}
	var f ledger.Failure
	if err := json.Unmarshal(doc, &f); err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "read a failure as JSON")
	}
	return &f, nil
}

// usePrefix begins the names of attributes that hold what an attempt used. The number of the attempt follows.
const usePrefix = "use"

func (i item) used() map[int]json.RawMessage {
	var used map[int]json.RawMessage
	for name := range i {
		digits, ok := strings.CutPrefix(name, usePrefix)
		attempt, err := strconv.Atoi(digits)
		if !ok || err != nil {
			continue
		}
		if used == nil {
			used = map[int]json.RawMessage{}
		}
		used[attempt] = i.document(name)
	}
	return used
}

func (i item) expires() time.Time {
	if n := i.number(TTL); n != 0 {
		return time.Unix(n, 0).UTC()
	}
	return time.Time{}
}

// millis returns the stored form of a time; 0 is the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// expiry returns the stored form of an expiry: seconds, rounded up. 0 is never, and is stored as a
// missing attribute.
func expiry(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Add(time.Second - time.Nanosecond).Unix()
}

// change collects the expressions of an UpdateItem.
type change struct {
	sets, removes []string
	condition     string
	names         map[string]string
	values        item
}

func newChange() *change { return &change{names: map[string]string{}, values: item{}} }

// name returns a placeholder for an attribute's name, because DynamoDB reserves many words.
func (c *change) name(attribute string) string {
	c.names["#"+attribute] = attribute
	return "#" + attribute
}

// value returns a placeholder for a value.
func (c *change) value(v types.AttributeValue) string {
	placeholder := ":v" + strconv.Itoa(len(c.values))
	c.values[placeholder] = v
	return placeholder
}

func (c *change) set(attribute string, v types.AttributeValue) {
	c.sets = append(c.sets, c.name(attribute)+" = "+c.value(v))
}

func (c *change) remove(attribute string) { c.removes = append(c.removes, c.name(attribute)) }

// setDocument sets a JSON text, or removes the attribute if doc is empty.
func (c *change) setDocument(attribute string, doc []byte) {
	if len(doc) == 0 {
		c.remove(attribute)
		return
	}
	c.set(attribute, text(string(doc)))
}

func (c *change) setFailure(f *ledger.Failure) error {
	var doc []byte
	if f != nil {
		var err error
		if doc, err = json.Marshal(f); err != nil {
			return fault.Wrap(fault.Internal, err, "write a failure as JSON")
		}
	}
	c.setDocument("failure", doc)
	return nil
}

func (c *change) setExpiry(seconds int64) {
	if seconds == 0 {
		c.remove(TTL)
		return
	}
	c.set(TTL, number(seconds))
}

// update makes the change and returns the item after it.
func (l *Ledger) update(ctx context.Context, k key, c *change) (item, error) {
	var clauses []string
	if len(c.sets) > 0 {
		clauses = append(clauses, "SET "+strings.Join(c.sets, ", "))
	}
	if len(c.removes) > 0 {
		clauses = append(clauses, "REMOVE "+strings.Join(c.removes, ", "))
	}
	in := &dynamodb.UpdateItemInput{
		TableName: &l.table, Key: k.item(), UpdateExpression: aws.String(strings.Join(clauses, " ")),
		ExpressionAttributeNames: c.names, ReturnValues: types.ReturnValueAllNew,
	}
	if len(c.values) > 0 {
		in.ExpressionAttributeValues = c.values
	}
	if c.condition != "" {
		in.ConditionExpression = &c.condition
	}
	out, err := l.client.UpdateItem(ctx, in)
	if err != nil {
		return nil, err
	}
	return out.Attributes, nil
}

// get returns the item, or nil if it does not exist.
func (l *Ledger) get(ctx context.Context, k key) (item, error) {
	out, err := l.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &l.table, Key: k.item(), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return nil, err
	}
	return out.Item, nil
}

// getAll returns those of the items, at most getBatch, that exist: the named attributes, or all.
func (l *Ledger) getAll(ctx context.Context, keys []key, attributes ...string) (map[key]item, error) {
	wanted := types.KeysAndAttributes{ConsistentRead: aws.Bool(true)}
	for _, k := range keys {
		wanted.Keys = append(wanted.Keys, k.item())
	}
	if len(attributes) > 0 {
		wanted.ExpressionAttributeNames = map[string]string{}
		var projection []string
		for _, a := range append(attributes, PartitionKey, SortKey) {
			wanted.ExpressionAttributeNames["#"+a] = a
			projection = append(projection, "#"+a)
		}
		wanted.ProjectionExpression = aws.String(strings.Join(projection, ", "))
	}
	found := map[key]item{}
	request := map[string]types.KeysAndAttributes{l.table: wanted}
	for round := 0; len(request) > 0 && len(wanted.Keys) > 0; round++ {
		if err := l.nextRound(ctx, round); err != nil {
			return nil, err
		}
		out, err := l.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: request})
		if err != nil {
			return nil, err
		}
		for _, i := range out.Responses[l.table] {
			found[item(i).key()] = i
		}
		request = out.UnprocessedKeys
	}
	return found, nil
}

// write sends at most putBatch requests, and repeats those that DynamoDB leaves unprocessed.
func (l *Ledger) write(ctx context.Context, requests []types.WriteRequest) error {
	request := map[string][]types.WriteRequest{l.table: requests}
	for round := 0; len(request) > 0 && len(requests) > 0; round++ {
		if err := l.nextRound(ctx, round); err != nil {
			return err
		}
		out, err := l.client.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: request})
		if err != nil {
			return err
		}
		request = out.UnprocessedItems
	}
	return nil
}

// nextRound waits before the remaining items of a batch are requested again. It returns an error after
// the last round.
func (l *Ledger) nextRound(ctx context.Context, round int) error {
	switch {
	case round == 0:
		return nil
	case round > batchRounds:
		return fault.New(fault.Transient, "DynamoDB left items unprocessed %d times: table %s is throttled", round, l.table)
	}
	return pause(ctx, round-1)
}

// query yields the items of a partition whose sort key begins with prefix. It holds one page.
func (l *Ledger) query(ctx context.Context, pk, prefix string, descending bool) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		for page, err := range l.pages(ctx, pk, prefix, descending) {
			if err != nil {
				yield(nil, err)
				return
			}
			for _, i := range page {
				if !yield(i, nil) {
					return
				}
			}
		}
	}
}

// pages yields the items of query a page at a time: the named attributes of each, or all.
func (l *Ledger) pages(
	ctx context.Context, pk, prefix string, descending bool, attributes ...string,
) iter.Seq2[[]item, error] {
	in := &dynamodb.QueryInput{
		TableName: &l.table, ConsistentRead: aws.Bool(true), ScanIndexForward: aws.Bool(!descending),
		Limit: aws.Int32(queryPage), ExpressionAttributeNames: map[string]string{"#pk": PartitionKey},
		ExpressionAttributeValues: item{":pk": text(pk)}, KeyConditionExpression: aws.String("#pk = :pk"),
	}
	if prefix != "" {
		in.ExpressionAttributeNames["#sk"] = SortKey
		in.ExpressionAttributeValues[":prefix"] = text(prefix)
		*in.KeyConditionExpression += " AND begins_with(#sk, :prefix)"
	}
	if len(attributes) > 0 {
		var projection []string
		for _, a := range attributes {
			in.ExpressionAttributeNames["#"+a] = a
			projection = append(projection, "#"+a)
		}
		in.ProjectionExpression = aws.String(strings.Join(projection, ", "))
	}
	return func(yield func([]item, error) bool) {
		for pages := dynamodb.NewQueryPaginator(l.client, in); pages.HasMorePages(); {
			out, err := pages.NextPage(ctx)
			if err != nil {
				yield(nil, err)
				return
			}
			page := make([]item, len(out.Items))
			for n, i := range out.Items {
				page[n] = i
			}
			if !yield(page, nil) {
				return
			}
		}
	}
}
