using System.Collections.Immutable;
using System.Text.Json;
using Backprop.Engine.Gradients;
using Backprop.Engine.Initializers;
using Backprop.Engine.Layers;
using Backprop.Engine.Losses;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Schedules;
using Backprop.Engine.Tests.Fixtures;
using Backprop.Engine.Tests.Optimizers;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Tests.Trajectories;

/// <summary>A case of <c>trajectories.json</c>: what to train, and how.</summary>
internal sealed class Trajectory
{
    private readonly JsonElement _file;
    private readonly JsonElement _case;

    /// <summary>Reads a case.</summary>
    public Trajectory(JsonElement file, JsonElement element)
    {
        (_file, _case) = (file, element);
        var builder = new NetworkBuilder(Shape.Of(Features.Width));
        foreach (LayerDefinition layer in Layers(element.GetProperty("layers")))
        {
            builder.Add(layer);
        }

        Network = builder.Build();
        Loss = ReadLoss(element.GetProperty("loss").GetString()!);
        Rules = new UpdateRules(
            OptimizerFixtures.Read(element),
            new Penalty((float)element.Number("l1", 0), (float)element.Number("l2", 0)),
            new Clipping(
                (float?)element.Optional("byValue")?.GetDouble(),
                (float?)element.Optional("byNorm")?.GetDouble()));
        Schedule = element.GetProperty("schedule").GetString() == "cosine"
            ? new CosineSchedule()
            : new ConstantSchedule();
        MicroBatches = new MicroBatches(
            element.GetProperty("rows").GetInt32(), element.GetProperty("microBatches").GetInt32());
    }

    public Network Network { get; }

    public Loss Loss { get; }

    public UpdateRules Rules { get; }

    public LearningRateSchedule Schedule { get; }

    public MicroBatches MicroBatches { get; }

    /// <summary>The mean loss of each step.</summary>
    public double[] Losses => _case.GetProperty("losses").Doubles();

    /// <summary>The steps after which the parameters are known.</summary>
    public int[] Recorded => [.. _file.GetProperty("recorded").Doubles().Select(s => (int)s)];

    /// <summary>The outputs for the first samples, in evaluation, at the end.</summary>
    public double[] Outputs => _case.GetProperty("outputs").Doubles();

    private Table Features => new(_file.GetProperty("features"));

    private Table Targets => new(_file.GetProperty(Loss switch
    {
        { Target: TargetKind.ClassIndex } => "classes",
        BinaryCrossEntropy or BinaryCrossEntropyOnProbabilities => "bits",
        _ => "values",
    }));

    /// <summary>Each tensor after a recorded step, in the order of the layout.</summary>
    public double[][] Parameters(int record) => Tensors(_case.GetProperty("parameters")[record]);

    /// <summary>Writes the first parameters.</summary>
    public void Initialize(AlignedBuffer weights)
    {
        double[][] tensors = Tensors(_case.GetProperty("initial"));
        Assert.Equal(Network.Layout.Views.Select(v => v.Length), tensors.Select(t => t.Length));
        foreach ((ParameterView view, double[] tensor) in Network.Layout.Views.Zip(tensors))
        {
            tensor.Select(w => (float)w).ToArray().CopyTo(weights.Span[view.Offset..]);
        }
    }

    /// <summary>An empty batch of the right widths.</summary>
    public Batch MakeBatch(int capacity) => new(capacity, Features.Width, Targets.Width);

    /// <summary>Fills a batch with so many samples, from one on and around.</summary>
    public void Fill(int first, int rows, Batch batch)
    {
        batch.Rows = rows;
        for (int row = 0; row < rows; row++)
        {
            int sample = (first + row) % Features.Rows;
            batch.Samples[row] = sample;
            Features.Row(sample).CopyTo(batch.Features.Span[(row * Features.Width)..]);
            Targets.Row(sample).CopyTo(batch.Targets.Span[(row * Targets.Width)..]);
        }
    }

    private static double[][] Tensors(JsonElement element) =>
        [.. element.EnumerateArray().Select(Fixture.Doubles)];

    private static ImmutableArray<LayerDefinition> Layers(JsonElement element) =>
        [.. element.EnumerateArray().Select(ReadLayer)];

    private static LayerDefinition ReadLayer(JsonElement element)
    {
        string kind = element.GetProperty("kind").GetString()!;
        bool trainable = element.Optional("trainable")?.GetBoolean() ?? true;
        return kind switch
        {
            "dense" => new DenseDefinition(element.GetProperty("units").GetInt32())
            {
                Activation = element.Optional("activation") is { } activation
                    ? ReadActivation(activation.GetString()!)
                    : null,
                Bias = element.Optional("bias")?.GetBoolean() ?? true,
                WeightInitializer = Constant.Zeros,
                WeightTrainable = trainable,
                BiasTrainable = trainable,
            },
            "batch-normalization" => new BatchNormalizationDefinition(),
            "layer-normalization" => new LayerNormalizationDefinition(),
            "residual" => new ResidualDefinition(Layers(element.GetProperty("layers"))),
            _ => ReadActivation(kind),
        };
    }

    private static ActivationDefinition ReadActivation(string kind) => kind switch
    {
        "sigmoid" => new SigmoidDefinition(),
        "tanh" => new TanhDefinition(),
        "relu" => new ReluDefinition(),
        "leaky-relu" => new LeakyReluDefinition(),
        "gelu" => new GeluDefinition(),
        "silu" => new SiluDefinition(),
        "softmax" => new SoftmaxDefinition(),
        _ => throw new ArgumentException($"no activation is named '{kind}'"),
    };

    private Loss ReadLoss(string name) => name switch
    {
        "half-squared-error" => new HalfSquaredError(),
        "mean-squared-error" => new MeanSquaredError(),
        "mean-absolute-error" => new MeanAbsoluteError(),
        "huber" => new Huber(),
        "binary-cross-entropy" => new BinaryCrossEntropy(),
        "binary-cross-entropy-on-probabilities" => new BinaryCrossEntropyOnProbabilities(),
        "softmax-cross-entropy" => new SoftmaxCrossEntropy(),
        "softmax-cross-entropy-smoothed" => new SoftmaxCrossEntropy(
            (float)_file.GetProperty("labelSmoothing").GetDouble(),
            [.. _file.GetProperty("classWeights").Floats()]),
        _ => throw new ArgumentException($"no loss is named '{name}'"),
    };

    // Rows of numbers.
    private readonly struct Table(JsonElement rows)
    {
        public int Rows => rows.GetArrayLength();

        public int Width => rows[0].GetArrayLength();

        public float[] Row(int index) => rows[index].Floats();
    }
}
