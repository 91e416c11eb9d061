using System.Collections.Immutable;
using Backprop.Data;
using Backprop.Engine;
using Backprop.Training.Metrics;

namespace Backprop.Training.Specification;

/// <summary>What has to be known of a dataset by those who never read it.</summary>
/// <param name="Source">Where it came from, for messages.</param>
/// <param name="Count">Samples.</param>
/// <param name="FeatureShape">The shape of one sample's features.</param>
/// <param name="Target">What samples are labelled with.</param>
/// <param name="Sha256">Of its content, in lower-case hex: see <see cref="DatasetDigest"/>.</param>
public sealed record DatasetOutline(
    string Source, long Count, Shape FeatureShape, TargetSchema Target, string Sha256);

/// <summary>
/// What a run's data come to: with its specification, all that coordinator and parameter servers
/// need of its plan, which never see a sample. A worker makes it of its data, and every other
/// worker's data have to come to the same.
/// </summary>
/// <param name="Train">The training part.</param>
/// <param name="Validation">The validation part; null: there is none.</param>
/// <param name="Test">The test part; null: there is none.</param>
/// <param name="TargetScales">How each target value is read in its own unit; empty: targets are
/// classes.</param>
public sealed record RunOutline(
    DatasetOutline Train, DatasetOutline? Validation, DatasetOutline? Test,
    ImmutableArray<TargetScale> TargetScales);
