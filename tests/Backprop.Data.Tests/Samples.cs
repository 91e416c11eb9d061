namespace Backprop.Data.Tests;

/// <summary>Reads samples of a dataset into arrays.</summary>
internal static class Samples
{
    public static float[] Features(this IDataset dataset, long sample)
    {
        var features = new float[dataset.FeatureShape.Count];
        dataset.ReadFeatures(sample, features);
        return features;
    }

    public static float[] Targets(this IDataset dataset, long sample)
    {
        var target = new float[dataset.Target.Width];
        dataset.ReadTarget(sample, target);
        return target;
    }

    public static float Label(this IDataset dataset, long sample) => dataset.Targets(sample)[0];

    public static string[] Names(this IDataset dataset) => [.. dataset.FeatureNames];

    public static string[] Classes(this IDataset dataset) =>
        [.. Assert.IsType<TargetSchema.Class>(dataset.Target).Classes];
}
