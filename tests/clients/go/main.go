// The AWS SDK for Go v2, unmodified but for plain http: `clients ENDPOINT RECORDS [CA]` puts the telemetry of that
// file, reads it back, subscribes across a split and provokes errors. CA: the authority to trust where ENDPOINT is
// https.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
)

type record struct{ key, data string }

// transport remembers what was spoken: the SDK chooses, and the test says what it chose.
type transport struct {
	http.RoundTripper
	plain  bool // over http
	mutex  sync.Mutex
	spoken map[string]bool
}

func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	// smithy-go closes a request's body once there is an answer, and WriteTo of a closed one is an error, for
	// which net/http, if it has not seen the body's end yet, closes the connection (aws-sdk-go-v2#2737). An
	// event stream's answer is that quick. Without WriteTo, a closed body is at its end.
	if t.plain && request.Body != nil {
		request.Body = struct{ io.ReadCloser }{request.Body}
	}
	response, err := t.RoundTripper.RoundTrip(request)
	if err == nil {
		t.mutex.Lock()
		t.spoken[request.Header.Get("Content-Type")+" over "+response.Proto] = true
		t.mutex.Unlock()
	}
	return response, err
}

func main() {
	endpoint, records := os.Args[1], read(os.Args[2])
	over := &transport{RoundTripper: http.DefaultTransport, plain: len(os.Args) == 3, spoken: map[string]bool{}}
	if !over.plain {
		authorities := x509.NewCertPool()
		must(authorities.AppendCertsFromPEM(get(os.ReadFile(os.Args[3]))), "no certificate in %s", os.Args[3])
		over.RoundTripper = &http.Transport{
			TLSClientConfig:   &tls.Config{RootCAs: authorities},
			ForceAttemptHTTP2: true,
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	settings := get(config.LoadDefaultConfig(ctx, config.WithHTTPClient(&http.Client{Transport: over})))
	client := kinesis.NewFromConfig(settings, func(options *kinesis.Options) {
		options.BaseEndpoint = aws.String(endpoint)
	})
	const stream = "go"
	get(client.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String(stream), ShardCount: aws.Int32(3)}))
	check(kinesis.NewStreamExistsWaiter(client).Wait(ctx,
		&kinesis.DescribeStreamInput{StreamName: aws.String(stream)}, time.Minute))
	put(ctx, client, stream, records)
	compare(records, readBack(ctx, client, stream))
	subscribe(ctx, client, stream, records)
	pages(ctx, client)
	provoke(ctx, client, settings, endpoint, stream)
	get(client.DeleteStream(ctx, &kinesis.DeleteStreamInput{
		StreamName: aws.String(stream), EnforceConsumerDeletion: aws.Bool(true)}))
	for spoken := range over.spoken {
		must(len(over.spoken) == 1, "more than one protocol: %v", over.spoken)
		kind, proto, _ := strings.Cut(spoken, " over ")
		must(kind == "application/x-amz-json-1.1", "it speaks %s", kind)
		security := ""
		if strings.HasPrefix(endpoint, "https:") {
			security = " in TLS"
		}
		fmt.Printf("ran: JSON over %s%s | %d records of telemetry in and out, SubscribeToShard across a split, pages, errors\n",
			strings.TrimSuffix(proto, ".0"), security, len(records))
	}
}

func read(path string) []record {
	file := get(os.Open(path))
	defer file.Close()
	var records []record
	for lines := bufio.NewScanner(file); lines.Scan(); {
		key, data, found := strings.Cut(lines.Text(), "\t")
		must(found, "no tab in %s", lines.Text())
		records = append(records, record{key, data})
	}
	return records
}

func put(ctx context.Context, client *kinesis.Client, stream string, records []record) {
	for at := 0; at < len(records); at += 500 {
		var entries []types.PutRecordsRequestEntry
		for _, next := range records[at:min(at+500, len(records))] {
			entries = append(entries, types.PutRecordsRequestEntry{
				Data: []byte(next.data), PartitionKey: aws.String(next.key)})
		}
		answer := get(client.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: aws.String(stream), Records: entries}))
		must(*answer.FailedRecordCount == 0, "%d records failed", *answer.FailedRecordCount)
	}
}

// shards lists them a page at a time: a token stands for the stream's name.
func shards(ctx context.Context, client *kinesis.Client, stream string) []types.Shard {
	input := &kinesis.ListShardsInput{StreamName: aws.String(stream), MaxResults: aws.Int32(1)}
	var shards []types.Shard
	for {
		page := get(client.ListShards(ctx, input))
		shards = append(shards, page.Shards...)
		if page.NextToken == nil {
			return shards
		}
		input = &kinesis.ListShardsInput{NextToken: page.NextToken, MaxResults: aws.Int32(1)}
	}
}

func readBack(ctx context.Context, client *kinesis.Client, stream string) []string {
	var found []string
	for _, shard := range shards(ctx, client, stream) {
		iterator := get(client.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: aws.String(stream),
			ShardId: shard.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})).ShardIterator
		last := new(big.Int)
		for {
			page := get(client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: iterator, Limit: aws.Int32(700)}))
			for _, next := range page.Records {
				number, ok := new(big.Int).SetString(*next.SequenceNumber, 10)
				must(ok && number.Cmp(last) > 0, "%s after %s", *next.SequenceNumber, last)
				age := time.Since(*next.ApproximateArrivalTimestamp)
				must(age > -time.Minute && age < 10*time.Minute, "arrived %s ago", age)
				last = number
				found = append(found, string(next.Data))
			}
			if len(page.Records) == 0 && *page.MillisBehindLatest == 0 {
				break
			}
			iterator = page.NextShardIterator
		}
	}
	return found
}

// subscribe reads every shard's events up to its end: each is split once its subscription has begun.
func subscribe(ctx context.Context, client *kinesis.Client, stream string, records []record) {
	summary := get(client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: aws.String(stream)}))
	consumer := get(client.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{
		StreamARN: summary.StreamDescriptionSummary.StreamARN, ConsumerName: aws.String("reader")})).Consumer
	var found []string
	for _, shard := range shards(ctx, client, stream) {
		events := get(client.SubscribeToShard(ctx, &kinesis.SubscribeToShardInput{ConsumerARN: consumer.ConsumerARN,
			ShardId: shard.ShardId, StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}})).GetStream()
		get(client.SplitShard(ctx, &kinesis.SplitShardInput{StreamName: aws.String(stream),
			ShardToSplit: shard.ShardId, NewStartingHashKey: middle(shard.HashKeyRange)}))
		var children []types.ChildShard
		for event := range events.Events() {
			one := event.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent).Value
			for _, next := range one.Records {
				found = append(found, string(next.Data))
			}
			children = append(children, one.ChildShards...)
		}
		check(events.Err())
		must(len(children) == 2, "%d children of %s", len(children), *shard.ShardId)
		for _, child := range children {
			must(len(child.ParentShards) == 1 && child.ParentShards[0] == *shard.ShardId, "parents %v", child.ParentShards)
		}
		check(events.Close())
	}
	compare(records, found)
}

func middle(keys *types.HashKeyRange) *string {
	low, ok := new(big.Int).SetString(*keys.StartingHashKey, 10)
	high, also := new(big.Int).SetString(*keys.EndingHashKey, 10)
	must(ok && also, "%v is no range", keys)
	return aws.String(low.Add(low, high).Rsh(low, 1).String())
}

func pages(ctx context.Context, client *kinesis.Client) {
	for i := range 3 {
		name := aws.String(fmt.Sprintf("go-page-%d", i))
		get(client.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: name, ShardCount: aws.Int32(1)}))
		defer client.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: name})
	}
	var names []string
	for pages := kinesis.NewListStreamsPaginator(client, &kinesis.ListStreamsInput{Limit: aws.Int32(1)}); pages.HasMorePages(); {
		names = append(names, get(pages.NextPage(ctx)).StreamNames...)
	}
	must(strings.Join(names, " ") == "go go-page-0 go-page-1 go-page-2", "streams %v", names)
}

func provoke(ctx context.Context, client *kinesis.Client, settings aws.Config, endpoint, stream string) {
	_, err := client.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String(stream), ShardCount: aws.Int32(1)})
	var inUse *types.ResourceInUseException
	must(errors.As(err, &inUse), "the stream a second time: %v", err)
	_, err = client.PutRecord(ctx, &kinesis.PutRecordInput{
		StreamName: aws.String("none"), Data: []byte("x"), PartitionKey: aws.String("k")})
	var missing *types.ResourceNotFoundException
	must(errors.As(err, &missing) && strings.HasPrefix(missing.ErrorMessage(), "Stream none under account"), "no stream: %v", err)
	_, err = client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: aws.String("made-up")})
	var invalid *types.InvalidArgumentException
	must(errors.As(err, &invalid), "no iterator: %v", err)

	settings.Credentials = aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: "another"}, nil
	})
	stranger := kinesis.NewFromConfig(settings, func(options *kinesis.Options) { options.BaseEndpoint = aws.String(endpoint) })
	_, err = stranger.ListStreams(ctx, &kinesis.ListStreamsInput{})
	var refused smithy.APIError
	must(errors.As(err, &refused) && refused.ErrorCode() == "InvalidSignatureException", "another secret: %v", err)
}

// compare requires that each record is there once, those of one key in their order.
func compare(records []record, found []string) {
	must(len(found) == len(records), "%d records instead of %d", len(found), len(records))
	keys, expected := map[string]string{}, map[string][]string{}
	for _, next := range records {
		keys[next.data] = next.key
		expected[next.key] = append(expected[next.key], next.data)
	}
	for _, data := range found {
		waiting := expected[keys[data]]
		must(len(waiting) > 0 && waiting[0] == data, "out of order, or not of this test: %s", data)
		expected[keys[data]] = waiting[1:]
	}
}

func get[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	must(err == nil, "%v", err)
}

func must(holds bool, format string, arguments ...any) {
	if !holds {
		panic(fmt.Sprintf(format, arguments...))
	}
}
