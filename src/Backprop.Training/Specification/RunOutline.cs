using System.Collections.Immutable;
using Backprop.Data;
using Backprop.Engine;
using Backprop.Engine.Networks;
using Backprop.Engine.Plugins;
using Backprop.Training.Metrics;

namespace Backprop.Training.Specification;

/// <summary>What has to be known of a dataset by those who never read it.</summary>
/// <param name="Source">Where it came from, for messages.</param>
/// <param name="Count">Samples.</param>
/// <param name="FeatureShape">The shape of one sample's features.</param>
/// <param name="Target">What samples are labelled with.</param>
/// <param name="Sha256">Of its content, in lower-case hex: see <see cref="DatasetDigest"/>.</param>
public sealed record DatasetOutline(
    string Source, long Count, Shape FeatureShape, TargetSchema Target, string Sha256)
{
    private const int DigestLength = 64;

    /// <summary>Reads the whole dataset, for its digest.</summary>
    public static DatasetOutline Of(IDataset dataset) => new(
        dataset.Source, dataset.Count, dataset.FeatureShape, dataset.Target,
        DatasetDigest.Compute(dataset));

    /// <summary>Samples, shape and digest: <c>1437 samples of 8x8, sha256 ab12…</c>. What they came
    /// from is no part of what they are.</summary>
    public string Identity => $"{Count} samples of {FeatureShape}, sha256 {Sha256}";

    internal static bool IsDigest(string text) =>
        text.Length == DigestLength && text.All(char.IsAsciiHexDigitLower);

    /// <summary>Why this is no outline of any dataset; null: it may be.</summary>
    internal string? Refusal() =>
        Count < 1 ? $"{Count} samples"
        : FeatureShape.Count < 1 ? $"features of {FeatureShape}"
        : Target.Width < 1
            || Target.Parts.Any(part => part.Schema is TargetSchema.Class { Classes.IsEmpty: true })
            ? "no targets"
        : !IsDigest(Sha256) ? $"the digest '{Sha256}'"
        : null;
}

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
    ImmutableArray<TargetScale> TargetScales)
{
    /// <summary>SHA-256 of the weights that the run begins with, in lower-case hex; null: it begins
    /// with its layers' initializers. See <see cref="Interchange.ImportedWeights"/>.</summary>
    public string? InitialWeightsSha256 { get; init; }

    /// <summary>The plug-ins that its layers are of, by their kinds; empty: there are none.
    /// </summary>
    public ImmutableArray<PluginIdentity> Plugins { get; init; } = [];

    /// <summary>The parts of a sample's features that layers read by name; empty: they read the
    /// sample.</summary>
    public ImmutableArray<NetworkInput> Inputs { get; init; } = [];

    /// <summary>What identifies each part, the inputs, the first weights where they are no function
    /// of the seed, and the plug-ins of layers, a line each: part of what a checkpoint belongs to.
    /// </summary>
    public ImmutableArray<string> Digests =>
    [
        .. Parts.Select(part => $"{part.Name}: {part.Outline.Identity}"),
        .. Inputs.Select(input => $"input {input}"),
        .. InitialWeightsSha256 is { } sha256
            ? (string[])[$"initial-weights: sha256 {sha256}"]
            : [],
        .. Plugins.Select(plugin => plugin.ToString()),
    ];

    private IEnumerable<(string Name, DatasetOutline Outline)> Parts =>
        from part in new[]
        {
            ("train", Train), ("validation", Validation), ("test", Test),
        }
        where part.Item2 is not null
        select (part.Item1, part.Item2);

    /// <summary>Why this is no outline of any run; null: it may be. To be asked of what comes from
    /// outside.</summary>
    public string? Refusal()
    {
        foreach ((string name, DatasetOutline outline) in Parts)
        {
            if (outline.Refusal() is { } reason)
            {
                return $"the {name} part has {reason}";
            }
        }

        if (InitialWeightsSha256 is { } sha256 && !DatasetOutline.IsDigest(sha256))
        {
            return $"the first weights have the digest '{sha256}'";
        }

        if (Plugins.FirstOrDefault(plugin => !DatasetOutline.IsDigest(plugin.Sha256)) is { } wrong)
        {
            return $"the plug-in of '{wrong.Kind}' has the digest '{wrong.Sha256}'";
        }

        int scales = Train.Target.ValueWidth;
        return TargetScales.Length != scales
            || TargetScales.Any(scale =>
                !double.IsFinite(scale.Factor) || !double.IsFinite(scale.Offset))
            ? $"{TargetScales.Length} scales for {scales} target values, or one that is not finite"
            : null;
    }

    /// <summary>What tells these data from those of a run, in words; null: they are the same.
    /// </summary>
    /// <param name="run">The run's.</param>
    public string? DifferenceFrom(RunOutline run)
    {
        string[] here = [.. Digests], there = [.. run.Digests];
        string[] other = [.. here.Except(there)], wanted = [.. there.Except(here)];
        return (other, wanted) switch
        {
            ([], []) => TargetScales.AsSpan().SequenceEqual(run.TargetScales.AsSpan())
                ? null
                : "targets are scaled otherwise than in the run",
            ([], [var missing, ..]) => $"the run has '{missing}', which is missing here",
            ([var added, ..], []) => $"here is '{added}', which the run does not have",
            ([var mine, ..], [var its, ..]) => $"here is '{mine}', where the run has '{its}'",
        };
    }
}
