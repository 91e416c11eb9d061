using Backprop.Data.Preparation;
using Backprop.Engine;
using Backprop.Engine.Losses;
using Backprop.Engine.Networks;
using Backprop.Engine.Plugins;
using Backprop.Engine.Threading;
using Backprop.Training;
using Backprop.Training.Checkpoints;
using Backprop.Training.Specification;

namespace Backprop.Models.Tests;

/// <summary>Models that nobody has trained: layers of the tests' choice, with random weights.
/// </summary>
internal static class TrialModel
{
    /// <summary>A run's specification with these layers; its data are never opened.</summary>
    public static RunSpecification Specification(
        string layers, string loss = "mean-squared-error", LayerPlugins? plugins = null) =>
        RunSpecificationReader.Read(
        $$"""
        name = trial
        data { train { inline { features = [[0]], targets = [[0]] } } }
        model = [
          {{layers}}
        ]
        loss = {{loss}}
        optimizer { sgd { learning-rate = 0.1 } }
        epochs = 1
        """,
        "trial.conf", plugins: plugins);

    /// <summary>A model of these layers, every parameter random and every variance positive.
    /// </summary>
    public static Model Of(string layers, Shape input, int seed = 1, int members = 1) =>
        Of(Specification(layers), input, DataPreparation.None, seed, members);

    /// <summary>A model of a specification.</summary>
    public static Model Of(
        RunSpecification run, Shape input, DataPreparation preparation, int seed = 1,
        int members = 1, string[]? classes = null, LayerPlugins? plugins = null)
    {
        Network network = RunPlanner.BuildNetwork(run, input);
        var random = new Random(seed);
        AlignedBuffer[] weights =
            [.. Enumerable.Range(0, members).Select(_ => RandomWeights(network, random))];
        var header = new ModelHeader(
            run.Name, run.ResolvedText, preparation.ToJson(),
            [.. classes ?? Enumerable.Range(0, network.OutputShape.Count).Select(i => $"y{i}")],
            StoredParameter.Of(network.Layout), network.Layout.Length,
            [.. weights.Select(w => WeightsDigest.OfWeights(network.Layout, w))])
        {
            HasClasses = classes is not null,
            FeatureShape = input.Dimensions,
            Plugins = PluginIdentity.Of(network),
        };
        using var model = new TrainedModel(header, [.. weights]);
        using var stream = new MemoryStream();
        model.WriteTo(stream);
        stream.Position = 0;
        return Model.Read("trial.bpm", stream, plugins);
    }

    /// <summary>What a network's executor makes of rows, [rows, outputs].</summary>
    public static float[] Outputs(Network network, AlignedBuffer weights, float[] rows)
    {
        int count = rows.Length / network.InputShape.Count;
        using var pool = new ComputePool(1);
        using var executor = new NetworkExecutor(
            network, new MeanSquaredError(), count, 1, pool);
        using var batch = new Batch(count, network.InputShape.Count, network.OutputShape.Count)
        {
            Rows = count,
        };
        rows.CopyTo(batch.Features.Span);
        executor.UseWeights(weights);
        var outputs = new float[count * network.OutputShape.Count];
        executor.Evaluate(batch, outputs, []);
        return outputs;
    }

    /// <summary>Rows of numbers, or of tokens of a vocabulary.</summary>
    public static float[] Rows(int count, Shape shape, int seed = 2, int vocabulary = 0)
    {
        var random = new Random(seed);
        return
        [
            .. Enumerable.Range(0, count * shape.Count).Select(_ => vocabulary > 0
                ? random.Next(vocabulary)
                : (float)((random.NextDouble() * 4) - 2)),
        ];
    }

    private static AlignedBuffer RandomWeights(Network network, Random random)
    {
        var weights = new AlignedBuffer(network.Layout.Length);
        foreach (ParameterView view in network.Layout.Views)
        {
            foreach (ref float weight in weights.Span.Slice(view.Offset, view.Length))
            {
                weight = view.Name.EndsWith("running_var", StringComparison.Ordinal)
                    ? (float)(random.NextDouble() + 0.5)
                    : (float)((random.NextDouble() - 0.5) * 1.2);
            }
        }

        return weights;
    }
}
