using System.Collections.Immutable;
using Backprop.Data;
using Backprop.Training;
using Backprop.Training.Metrics;
using Backprop.Training.Specification;

namespace Backprop.Distributed.Working;

/// <summary>What data come to, and how two workers' data differ.</summary>
internal static class DataOutline
{
    /// <summary>What the data of a plan come to.</summary>
    public static RunOutline Of(TrainingPlan plan) => new(
        Of(plan.Train), plan.Validation is { } validation ? Of(validation) : null,
        plan.Test is { } test ? Of(test) : null, TargetReading.For(plan).Scales);

    /// <summary>Refuses data that are not those of the run.</summary>
    /// <param name="expected">The run's.</param>
    /// <param name="found">What this node's came to.</param>
    /// <exception cref="InvalidDatasetException">They differ; the message says where.</exception>
    public static void RequireEqual(RunOutline expected, RunOutline found)
    {
        RequireEqual("training", expected.Train, found.Train);
        RequireEqual("validation", expected.Validation, found.Validation);
        RequireEqual("test", expected.Test, found.Test);
        if (!Scales(expected.TargetScales).SequenceEqual(Scales(found.TargetScales)))
        {
            throw new InvalidDatasetException(
                found.Train.Source, "its targets are scaled otherwise than the run's",
                "every worker needs the same data");
        }
    }

    private static DatasetOutline Of(IDataset dataset) => new(
        dataset.Source, dataset.Count, dataset.FeatureShape, dataset.Target,
        DatasetDigest.Compute(dataset));

    private static ImmutableArray<TargetScale> Scales(ImmutableArray<TargetScale> scales) =>
        scales.IsDefault ? [] : scales;

    // The digest is over everything else as well.
    private static void RequireEqual(string part, DatasetOutline? expected, DatasetOutline? found)
    {
        if (expected?.Sha256 != found?.Sha256)
        {
            throw new InvalidDatasetException(
                found?.Source ?? "the data", $"as the {part} part it is {Describe(found)}",
                $"the run's is {Describe(expected)}: every worker needs the same data");
        }
    }

    private static string Describe(DatasetOutline? outline) => outline is null
        ? "missing"
        : $"{outline.Count} samples of {outline.FeatureShape} with sha256 {outline.Sha256}";
}
