using Backprop.Engine;
using Backprop.Engine.Gradients;
using Backprop.Engine.Layers;
using Backprop.Engine.Losses;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Threading;

namespace Backprop.Benchmarks;

/// <summary>A whole training step of a classifier: forward, loss, backward, update, on a batch that
/// is already there.</summary>
internal sealed class TrainingStep : IDisposable
{
    /// <summary>The network of most tables: images of 28 x 28 to ten classes.</summary>
    public static readonly int[] SmallWidths = [784, 512, 512, 10];

    /// <summary>Characters of a text.</summary>
    public const int Vocabulary = 84;

    /// <summary>Characters of a row of text.</summary>
    public const int TextLength = 64;

    /// <summary>Numbers of a position in the transformer.</summary>
    public const int TextWidth = 128;

    /// <summary>Blocks of the transformer.</summary>
    public const int TextBlocks = 4;

    private readonly NetworkExecutor _executor;
    private readonly ParameterUpdate _update;
    private readonly Optimizer _optimizer;
    private readonly MicroBatches _microBatches;
    private readonly Batch _batch;
    private readonly AlignedBuffer _weights;
    private readonly AlignedBuffer _state;
    private readonly GradientSet _gradients;
    private readonly PieceSums[] _sums;
    private long _step;

    /// <summary>Makes an MLP with ReLU, and the batch.</summary>
    /// <param name="widths">Features, the outputs of every hidden layer, and classes.</param>
    /// <param name="optimizer">How the weights move.</param>
    /// <param name="rows">Rows of the batch.</param>
    /// <param name="microBatches">How many parts the batch is computed in.</param>
    /// <param name="pool">The threads.</param>
    public TrainingStep(
        int[] widths, Optimizer optimizer, int rows, int microBatches, ComputePool pool)
        : this(Mlp(widths), optimizer, rows, microBatches, pool)
    {
    }

    /// <summary>Makes the batch for a network, one output of which is a class; of a sequence, at
    /// every position.</summary>
    /// <param name="network">The network.</param>
    /// <param name="optimizer">How the weights move.</param>
    /// <param name="rows">Rows of the batch.</param>
    /// <param name="microBatches">How many parts the batch is computed in.</param>
    /// <param name="pool">The threads.</param>
    public TrainingStep(
        Network network, Optimizer optimizer, int rows, int microBatches, ComputePool pool)
    {
        (int features, int classes) = (
            network.InputShape.Count, network.OutputShape.Dimensions[^1]);
        int targets = network.OutputShape.Count / classes;
        ParameterLayout layout = Layout = network.Layout;
        _optimizer = optimizer;
        _microBatches = new MicroBatches(rows, microBatches);
        _executor = new NetworkExecutor(
            network, new SoftmaxCrossEntropy(), rows, microBatches, pool);
        _update = new ParameterUpdate(
            layout, 0, layout.BlockCount,
            new UpdateRules(optimizer, Penalty.None, Clipping.None), pool);
        _weights = new AlignedBuffer(layout.Length);
        network.InitializeWeights(1, _weights);
        _state = new AlignedBuffer(_update.StateLength);
        _gradients = new GradientSet(layout, 0, microBatches, microBatches);
        _sums = new PieceSums[_update.PieceCount];
        _batch = new Batch(rows, features, targets) { Rows = rows };
        bool isText = network.Nodes[0].Layer is EmbeddingLayer;
        for (int i = 0; i < _batch.Features.Length; i++)
        {
            uint number = (uint)i * 2654435761u;
            _batch.Features.Span[i] = isText ? number % Vocabulary : number % 1001 / 1000f;
        }

        for (int i = 0; i < _batch.Targets.Length; i++)
        {
            _batch.Targets.Span[i] = i % classes;
        }

        for (int row = 0; row < rows; row++)
        {
            _batch.Samples[row] = row;
        }
    }

    /// <summary>The network's parameters.</summary>
    public ParameterLayout Layout { get; }

    /// <summary>An MLP with ReLU.</summary>
    public static Network Mlp(int[] widths)
    {
        var relu = new ReluDefinition();
        return Network.Build(
            Shape.Of(widths[0]),
            [
                .. widths[1..^1].Select(width => new DenseDefinition(width) { Activation = relu }),
                new DenseDefinition(widths[^1]),
            ]);
    }

    /// <summary>A small convolutional network in the manner of LeNet: images of 28 x 28, twice 3 x
    /// 3 filters with ReLU and pooling by twos, a dense layer of 128, ten classes.</summary>
    public static Network Cnn()
    {
        var relu = new ReluDefinition();
        return Network.Build(Shape.Of(28, 28), [Filters(32), Pool(), Filters(64), Pool(),
            new FlattenDefinition(),
            new DenseDefinition(128) { Activation = relu }, new DenseDefinition(10)]);

        LayerDefinition Filters(int count) => new ConvolutionDefinition(2, count, Extent.Square(3))
        {
            Padding = Padding.Same, Activation = relu,
        };

        static LayerDefinition Pool() =>
            new PoolingDefinition(2, PoolingRule.Max, Extent.Square(2));
    }

    /// <summary>A small transformer with causal attention of four heads, normalization first, that
    /// says the next character at every position: that of <c>hocon/runs/text-transformer.conf</c>.
    /// </summary>
    public static Network Transformer()
    {
        return Network.Build(
            Shape.Of(TextLength),
            [
                new EmbeddingDefinition(Vocabulary, TextWidth),
                new PositionalEncodingDefinition(PositionalKind.Learned),
                new BlockDefinition(
                [
                    new ResidualDefinition(
                        [new LayerNormalizationDefinition(), new AttentionDefinition(Heads: 4)]),
                    new ResidualDefinition(
                    [
                        new LayerNormalizationDefinition(),
                        new DenseDefinition(4 * TextWidth) { Activation = new GeluDefinition() },
                        new DenseDefinition(TextWidth),
                    ]),
                ])
                {
                    Repeat = TextBlocks,
                },
                new LayerNormalizationDefinition(), new DenseDefinition(Vocabulary),
            ]);
    }

    /// <summary>One step.</summary>
    /// <param name="listener">Hears of the new weights.</param>
    public void Run(IBlockListener? listener = null)
    {
        _executor.UseWeights(_weights);
        _executor.ComputeGradients(
            _batch, new StepWork(1, _step, _microBatches), _gradients, listener: null);
        AlignedBuffer gradient = _gradients.Gradient(0);
        _update.Prepare(_weights, measureWeights: false, gradient, _sums);
        _update.Apply(
            new UpdateStep(_step, _optimizer.LearningRate, 1, _microBatches.Count), gradient,
            _weights, _state, _weights, listener);
        _step++;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _executor.Dispose();
        _gradients.Dispose();
        _weights.Dispose();
        _state.Dispose();
        _batch.Dispose();
    }
}
