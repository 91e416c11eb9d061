namespace Backprop.Data;

/// <summary>Compares what datasets hold: shards of one set, or the parts that a run trains on and
/// is tested on.</summary>
public static class DatasetSchema
{
    /// <summary>Refuses a dataset that cannot take another's place.</summary>
    /// <param name="expected">The one that sets the standard.</param>
    /// <param name="dataset">The one that is compared.</param>
    /// <exception cref="InvalidDatasetException">Shape, names or targets differ.</exception>
    public static void RequireEqual(IDataset expected, IDataset dataset)
    {
        if (dataset.FeatureShape != expected.FeatureShape)
        {
            throw Different(
                expected, dataset, $"a sample is {dataset.FeatureShape}",
                expected.FeatureShape.ToString());
        }

        if (!dataset.FeatureNames.SequenceEqual(expected.FeatureNames))
        {
            throw Different(
                expected, dataset, $"features are {string.Join(", ", dataset.FeatureNames)}",
                string.Join(", ", expected.FeatureNames));
        }

        if (Describe(dataset.Target) != Describe(expected.Target))
        {
            throw Different(
                expected, dataset, $"targets are {Describe(dataset.Target)}",
                Describe(expected.Target));
        }
    }

    private static InvalidDatasetException Different(
        IDataset expected, IDataset dataset, string problem, string right) => new(
        dataset.Source, problem, $"in {expected.Source}, which it goes with, it is {right}");

    private static string Describe(TargetSchema target) => target switch
    {
        TargetSchema.Class { Positions: > 1 } schema =>
            $"at each of {schema.Positions} positions the classes "
            + string.Join(", ", schema.Classes)
            + (schema.Tokenizer is null ? "" : $", by {schema.Tokenizer}"),
        TargetSchema.Class schema => $"the classes {string.Join(", ", schema.Classes)}",
        TargetSchema.Values schema => $"the values {string.Join(", ", schema.Names)}",
        TargetSchema.Several schema => string.Join(
            "; ", schema.Parts.Select(part => $"{part.Name}: {Describe(part.Schema)}")),
        _ => throw new InvalidOperationException($"unknown kind of target {target}"),
    };
}
