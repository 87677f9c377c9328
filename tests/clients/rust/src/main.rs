//! The AWS SDK for Rust, unmodified: `clients ENDPOINT RECORDS` puts the telemetry of that file, reads it
//! back, subscribes across a split and provokes errors.

use std::collections::{HashMap, VecDeque};
use std::error::Error;

use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_kinesis::error::{DisplayErrorContext, ProvideErrorMetadata};
use aws_sdk_kinesis::operation::put_record::PutRecordError;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{
    PutRecordsRequestEntry, Shard, ShardIteratorType, StartingPosition,
    SubscribeToShardEventStream,
};
use aws_sdk_kinesis::Client;

const STREAM: &str = "rust";

type Checked<T> = Result<T, Box<dyn Error>>;

struct Record {
    key: String,
    data: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Err(error) = run(&arguments[1], &arguments[2]).await {
        eprintln!("{}", DisplayErrorContext(&*error));
        std::process::exit(1);
    }
}

async fn run(endpoint: &str, file: &str) -> Checked<()> {
    let records = read(file)?;
    let client = client(endpoint, &std::env::var("AWS_SECRET_ACCESS_KEY")?)?;
    client.create_stream().stream_name(STREAM).shard_count(3).send().await?;
    put(&client, &records).await?;
    compare(&records, &read_back(&client).await?)?;
    subscribe(&client, &records).await?;
    pages(&client).await?;
    provoke(&client, endpoint).await?;
    client.delete_stream().stream_name(STREAM).enforce_consumer_deletion(true).send().await?;
    println!(
        "ran: JSON over HTTP/1.1 | {} records of telemetry in and out, SubscribeToShard across a split, pages, errors",
        records.len()
    );
    Ok(())
}

fn client(endpoint: &str, secret: &str) -> Checked<Client> {
    let keys = Credentials::new(std::env::var("AWS_ACCESS_KEY_ID")?, secret, None, None, "test");
    let settings = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new(std::env::var("AWS_REGION")?))
        .credentials_provider(keys)
        .http_client(aws_smithy_http_client::Builder::new().build_http());
    Ok(Client::from_conf(settings.build()))
}

fn read(file: &str) -> Checked<Vec<Record>> {
    let mut records = Vec::new();
    for line in std::fs::read_to_string(file)?.lines() {
        let (key, data) = line.split_once('\t').ok_or("no tab")?;
        records.push(Record { key: key.to_string(), data: data.to_string() });
    }
    Ok(records)
}

async fn put(client: &Client, records: &[Record]) -> Checked<()> {
    for batch in records.chunks(500) {
        let mut request = client.put_records().stream_name(STREAM);
        for record in batch {
            request = request.records(
                PutRecordsRequestEntry::builder()
                    .partition_key(&record.key)
                    .data(Blob::new(record.data.as_bytes()))
                    .build()?,
            );
        }
        let answer = request.send().await?;
        require(answer.failed_record_count() == Some(0), || format!("records failed: {answer:?}"))?;
    }
    Ok(())
}

/// A page at a time: a token stands for the stream's name.
async fn shards(client: &Client) -> Checked<Vec<Shard>> {
    let mut page = client.list_shards().stream_name(STREAM).max_results(1).send().await?;
    let mut shards = page.shards().to_vec();
    while let Some(token) = page.next_token() {
        page = client.list_shards().next_token(token).max_results(1).send().await?;
        shards.extend_from_slice(page.shards());
    }
    Ok(shards)
}

async fn read_back(client: &Client) -> Checked<Vec<String>> {
    let mut found = Vec::new();
    for shard in shards(client).await? {
        let begin = client
            .get_shard_iterator()
            .stream_name(STREAM)
            .shard_id(shard.shard_id())
            .shard_iterator_type(ShardIteratorType::TrimHorizon)
            .send()
            .await?;
        let mut iterator = begin.shard_iterator().ok_or("no iterator")?.to_string();
        let mut last = String::new(); // sequence numbers of one length are ordered as text
        loop {
            let page = client.get_records().shard_iterator(&iterator).limit(700).send().await?;
            for record in page.records() {
                let number = record.sequence_number();
                require(number.len() == 56 && *number > *last, || format!("{number} after {last}"))?;
                require(record.approximate_arrival_timestamp().is_some(), || "no time of arrival".into())?;
                last = number.to_string();
                found.push(String::from_utf8(record.data().as_ref().to_vec())?);
            }
            if page.records().is_empty() && page.millis_behind_latest() == Some(0) {
                break;
            }
            iterator = page.next_shard_iterator().ok_or("an open shard has ended")?.to_string();
        }
    }
    Ok(found)
}

/// Every shard's events up to its end: each is split once its subscription has begun.
async fn subscribe(client: &Client, records: &[Record]) -> Checked<()> {
    let summary = client.describe_stream_summary().stream_name(STREAM).send().await?;
    let stream = summary.stream_description_summary().ok_or("no summary")?.stream_arn().to_string();
    let registered =
        client.register_stream_consumer().stream_arn(stream).consumer_name("reader").send().await?;
    let consumer = registered.consumer().ok_or("no consumer")?.consumer_arn();
    let mut found = Vec::new();
    for shard in shards(client).await? {
        let begin = StartingPosition::builder().r#type(ShardIteratorType::TrimHorizon).build()?;
        let mut events = client
            .subscribe_to_shard()
            .consumer_arn(consumer)
            .shard_id(shard.shard_id())
            .starting_position(begin)
            .send()
            .await?
            .event_stream;
        let keys = shard.hash_key_range().ok_or("no range")?;
        let (low, high): (u128, u128) =
            (keys.starting_hash_key().parse()?, keys.ending_hash_key().parse()?);
        client
            .split_shard()
            .stream_name(STREAM)
            .shard_to_split(shard.shard_id())
            .new_starting_hash_key((low + (high - low) / 2).to_string())
            .send()
            .await?;
        let mut children = Vec::new();
        while let Some(SubscribeToShardEventStream::SubscribeToShardEvent(event)) =
            events.recv().await?
        {
            for record in event.records() {
                found.push(String::from_utf8(record.data().as_ref().to_vec())?);
            }
            children.extend_from_slice(event.child_shards());
        }
        let parent = [shard.shard_id().to_string()];
        require(children.len() == 2 && children.iter().all(|child| child.parent_shards() == parent), || {
            format!("children {children:?}")
        })?;
    }
    compare(records, &found)
}

async fn pages(client: &Client) -> Checked<()> {
    for i in 0..3 {
        client.create_stream().stream_name(format!("rust-page-{i}")).shard_count(1).send().await?;
    }
    let mut names = Vec::new();
    let mut pages = client.list_streams().limit(1).into_paginator().send();
    while let Some(page) = pages.next().await {
        names.extend_from_slice(page?.stream_names());
    }
    require(names == ["rust", "rust-page-0", "rust-page-1", "rust-page-2"], || format!("{names:?}"))
}

async fn provoke(client: &Client, endpoint: &str) -> Checked<()> {
    let again = client.create_stream().stream_name(STREAM).shard_count(1).send().await;
    let again = again.err().ok_or("the stream was created twice")?.into_service_error();
    require(again.is_resource_in_use_exception(), || format!("{again:?}"))?;
    let missing = client.put_record().stream_name("none").partition_key("k").data(Blob::new("x")).send().await;
    match missing.err().ok_or("a record was put into no stream")?.into_service_error() {
        PutRecordError::ResourceNotFoundException(error) => {
            let message = error.message().unwrap_or_default();
            require(message.starts_with("Stream none under account"), || message.to_string())?;
        }
        other => return Err(other.into()),
    }
    let invalid = client.get_records().shard_iterator("made-up").send().await;
    let invalid = invalid.err().ok_or("a made-up iterator was taken")?.into_service_error();
    require(invalid.is_invalid_argument_exception(), || format!("{invalid:?}"))?;
    let stranger = self::client(endpoint, "another")?.list_streams().send().await;
    let stranger = stranger.err().ok_or("another secret was taken")?.into_service_error();
    require(stranger.code() == Some("InvalidSignatureException"), || format!("{stranger:?}"))
}

/// Each record is there once, those of one key in their order.
fn compare(records: &[Record], found: &[String]) -> Checked<()> {
    require(records.len() == found.len(), || {
        format!("{} records instead of {}", found.len(), records.len())
    })?;
    let keys: HashMap<&str, &str> =
        records.iter().map(|record| (record.data.as_str(), record.key.as_str())).collect();
    let mut expected: HashMap<&str, VecDeque<&str>> = HashMap::new();
    for record in records {
        expected.entry(&record.key).or_default().push_back(&record.data);
    }
    for data in found {
        let key = keys.get(data.as_str()).ok_or_else(|| format!("not of this test: {data}"))?;
        let next = expected.get_mut(key).and_then(VecDeque::pop_front);
        require(next == Some(data), || format!("out of order: {data}"))?;
    }
    Ok(())
}

fn require(holds: bool, otherwise: impl FnOnce() -> String) -> Checked<()> {
    if holds {
        Ok(())
    } else {
        Err(otherwise().into())
    }
}
