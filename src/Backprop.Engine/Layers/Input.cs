using System.Collections.Immutable;
using Backprop.Engine.Networks;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Layers;

/// <summary>Reads one of the network's named inputs, wherever it stands: what follows reads that
/// and nothing else.</summary>
/// <param name="Input">The input's name.</param>
public sealed record InputDefinition(string Input) : LayerDefinition
{
    /// <inheritdoc/>
    public override string Kind => "input";

    /// <summary>An input is part of a network's; <see cref="AddTo"/> finds it there.</summary>
    /// <inheritdoc/>
    public override Layer Build(string name, Shape input) => throw new InvalidOperationException(
        $"'{name}' reads an input of a network, which this is not");

    /// <inheritdoc/>
    public override void AddTo(NetworkBuilder builder, string name)
    {
        if (builder.Inputs.FirstOrDefault(input => input.Name == Input) is not { } input)
        {
            throw new ArgumentException(
                $"'{name}' reads the input '{Input}', which is not there: "
                + (builder.Inputs.IsEmpty
                    ? "the run names no inputs"
                    : $"there are {string.Join(", ", builder.Inputs.Select(one => one.Name))}"));
        }

        builder.GoOnFrom(NetworkBuilder.InputNode);
        builder.Append(new InputLayer(name, builder.InputShape, input));
    }
}

/// <summary>y = the row's features that make an input, in the input's order. Features have no
/// gradient; were one wanted, it is that of y where a feature is part of it, and 0 elsewhere.
/// </summary>
public sealed unsafe class InputLayer : Layer
{
    // Features that stand side by side are copied at once.
    private readonly ImmutableArray<FeatureRun> _runs;

    internal InputLayer(string name, Shape row, NetworkInput input)
        : base(name, "input", row, input.Shape)
    {
        input.Require(row);
        Input = input;
        _runs = input.Runs;
    }

    /// <summary>The input that it reads.</summary>
    public NetworkInput Input { get; }

    /// <inheritdoc/>
    public override void Forward(in ForwardPass pass)
    {
        fixed (FeatureRun* runs = _runs.AsSpan())
        {
            var body = new CopyBody
            {
                Runs = runs,
                RunCount = _runs.Length,
                Source = pass.Input,
                SourceWidth = InputShape.Count,
                Rows = pass.Rows,
                Destination = pass.Output,
                DestinationWidth = OutputShape.Count,
            };
            RowParallel.Run(pass.Pool, (long)pass.Rows * OutputShape.Count, ref body);
        }
    }

    /// <inheritdoc/>
    public override void Backward(in BackwardPass pass)
    {
        if (pass.InputGradient is null)
        {
            return;
        }

        for (int row = 0; row < pass.Forward.Rows; row++)
        {
            var gradient = new Span<float>(
                pass.InputGradient + ((nint)row * InputShape.Count), InputShape.Count);
            gradient.Clear();
            float* from = pass.OutputGradient + ((nint)row * OutputShape.Count);
            for (int i = 0; i < Input.Features.Length; i++)
            {
                gradient[Input.Features[i]] += from[i];
            }
        }
    }

    /// <inheritdoc/>
    public override void ReferenceForward(in ReferencePass pass)
    {
        for (int row = 0; row < pass.Rows; row++)
        {
            for (int i = 0; i < Input.Features.Length; i++)
            {
                pass.Output[(row * Input.Features.Length) + i] =
                    pass.Input[(row * InputShape.Count) + Input.Features[i]];
            }
        }
    }

    private struct CopyBody : IParallelBody
    {
        public FeatureRun* Runs;
        public int RunCount;
        public float* Source;
        public int SourceWidth;
        public int Rows;
        public float* Destination;
        public int DestinationWidth;

        public readonly void Run(int part, int parts)
        {
            int end = ComputePool.PartStart(Rows, part + 1, parts);
            for (int row = ComputePool.PartStart(Rows, part, parts); row < end; row++)
            {
                float* from = Source + ((nint)row * SourceWidth);
                float* to = Destination + ((nint)row * DestinationWidth);
                for (int i = 0; i < RunCount; i++)
                {
                    (int first, int count) = Runs[i];
                    new ReadOnlySpan<float>(from + first, count).CopyTo(new Span<float>(to, count));
                    to += count;
                }
            }
        }
    }
}
