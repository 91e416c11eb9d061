using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Backprop.Engine.Gradients;
using Backprop.Engine.Kernels;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;
using Backprop.Engine.Randomness;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Plugins;

/// <summary>A layer of a plug-in.</summary>
/// <param name="Plugin">Where it is from.</param>
/// <param name="Factory">What makes it.</param>
/// <param name="Options">The values of its options.</param>
public sealed record PluginLayerDefinition(
    LayerPlugin Plugin, ILayerFactory Factory, LayerOptions Options) : LayerDefinition
{
    /// <inheritdoc/>
    public override string Kind => Factory.Kind;

    /// <inheritdoc/>
    public override Layer Build(string name, Shape input)
    {
        string what = $"layer '{name}' ({Kind} of {Plugin.File})";
        try
        {
            ILayer layer = Factory.Create(input, Options);
            return Mistake(layer) is { } mistake
                ? throw new ArgumentException(mistake)
                : new PluginLayer(name, Kind, input, layer, Plugin);
        }
        catch (ArgumentException refusal)
        {
            throw new ArgumentException($"{what}: {refusal.Message}", refusal);
        }
        catch (Exception failure)
        {
            // Whatever its code does wrong concerns this run, not the node.
            throw new ArgumentException(
                $"{what} cannot be made: {failure.GetType().Name}: {failure.Message}", failure);
        }
    }

    private static string? Mistake(ILayer layer)
    {
        if (layer is null || layer.OutputShape is null || layer.Parameters.IsDefault
            || layer.ScratchLength < 0)
        {
            return "has no output shape or parameters, or a negative length of scratch";
        }

        ImmutableArray<ParameterDeclaration> parameters = layer.Parameters;
        foreach (ParameterDeclaration parameter in parameters)
        {
            if (parameter.Name is not { Length: > 0 } name || !name.All(
                c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_'))
            {
                return $"has a parameter '{parameter.Name}': letters, digits, '-' and '_' name one";
            }

            if (parameter.Role == ParameterRole.Statistic
                || parameter.StatisticMomentum is not null)
            {
                return $"has the running statistic '{name}', which plug-ins cannot have";
            }
        }

        return parameters.Select(parameter => parameter.Name).Distinct().Count()
            == parameters.Length
            ? null
            : "has two parameters of one name";
    }
}

/// <summary>
/// Runs a plug-in's layer: hands it one row after the other, and sums gradients as every layer's
/// are. Rows are shared among threads; a micro-batch's rows go back on one thread, in order, into
/// sums of its own, which are then folded up the gradient tree.
/// </summary>
/// <remarks>What a row is given besides its input is zero, so that a layer which forgets to write
/// something still comes to the same bits everywhere.</remarks>
public sealed unsafe class PluginLayer : Layer
{
    private readonly ILayer _layer;
    private readonly ImmutableArray<int> _sumOffsets;
    private readonly int _sumFloats;

    internal PluginLayer(
        string name, string kind, Shape input, ILayer layer, LayerPlugin plugin)
        : base(name, kind, input, layer.OutputShape, layer.Parameters)
    {
        _layer = layer;
        Plugin = plugin;
        var offsets = ImmutableArray.CreateBuilder<int>();
        long floats = 0;
        foreach (ParameterDeclaration parameter in Parameters)
        {
            offsets.Add((int)floats);
            floats += ConvolutionGeometry.RoundUp(parameter.Shape.Count);
            if (floats > Shape.MaxCount)
            {
                throw new ArgumentException(
                    $"layer '{name}' has more than {Shape.MaxCount:N0} parameters");
            }
        }

        _sumOffsets = offsets.ToImmutable();
        _sumFloats = (int)floats;
    }

    /// <summary>Where it is from.</summary>
    public LayerPlugin Plugin { get; }

    /// <summary>Nothing is known of it.</summary>
    /// <inheritdoc/>
    public override bool LooksAhead => true;

    /// <summary>A row's scratch, and an input gradient that nobody needs.</summary>
    /// <inheritdoc/>
    public override long ScratchPerThread =>
        ConvolutionGeometry.RoundUp(_layer.ScratchLength)
        + ConvolutionGeometry.RoundUp(InputShape.Count);

    /// <summary>The sums of each micro-batch.</summary>
    /// <inheritdoc/>
    public override long SharedScratch(int microBatches) => (long)microBatches * _sumFloats;

    private long ElementsOfRow => (long)InputShape.Count + OutputShape.Count + _sumFloats;

    /// <inheritdoc/>
    public override void Forward(in ForwardPass pass)
    {
        fixed (long* samples = pass.Samples)
        fixed (int* offsets = pass.ParameterOffsets)
        {
            var rows = new RowsForward { Rows = RowsOf(pass, samples, offsets) };
            RowParallel.Run(pass.Pool, pass.Rows * ElementsOfRow, ref rows);
        }
    }

    /// <inheritdoc/>
    public override void Backward(in BackwardPass pass)
    {
        ForwardPass forward = pass.Forward;
        fixed (long* samples = forward.Samples)
        fixed (int* offsets = forward.ParameterOffsets, starts = forward.MicroBatchStarts)
        {
            var work = new MicroBatchesBackward
            {
                Rows = RowsOf(forward, samples, offsets),
                Starts = starts,
                MicroBatches = forward.MicroBatchStarts.Length - 1,
                OutputGradient = pass.OutputGradient,
                InputGradient = pass.InputGradient,
                Sums = forward.Work.Shared,
            };
            RowParallel.Run(forward.Pool, forward.Rows * ElementsOfRow, ref work);
        }

        if (_sumFloats > 0)
        {
            foreach (ref readonly NodeGradient node in pass.Nodes)
            {
                Fold(pass, node);
            }
        }
    }

    /// <inheritdoc/>
    public override void ReferenceForward(in ReferencePass pass)
    {
        ReadOnlySpan<Real64> input = MemoryMarshal.Cast<double, Real64>(pass.Input);
        Span<Real64> output = MemoryMarshal.Cast<double, Real64>(pass.Output);
        var parameters = new RowParameters<Real64>(
            MemoryMarshal.Cast<double, Real64>(pass.Weights), pass.ParameterOffsets, Parameters);
        RandomStream stream = StreamOf(pass.Step, pass.LayerIndex);
        var scratch = new Real64[_layer.ScratchLength];
        output.Clear();
        for (int row = 0; row < pass.Rows; row++)
        {
            scratch.AsSpan().Clear();
            var given = new RowForward<Real64>
            {
                Input = input.Slice(row * InputShape.Count, InputShape.Count),
                Output = output.Slice(row * OutputShape.Count, OutputShape.Count),
                Scratch = scratch,
                IsTraining = pass.Step.Training,
                Random = new RowRandomness(stream, (ulong)pass.Samples[row]),
                Parameters = parameters,
            };
            try
            {
                _layer.Forward(given);
            }
            catch (Exception failure)
            {
                throw Failed("in double precision", failure);
            }
        }
    }

    private static RandomStream StreamOf(in StepKey step, int layerIndex) =>
        new(step.Seed, RandomPurpose.Plugin, (uint)layerIndex, (ulong)step.Step);

    private LayerPluginException Failed(string where, Exception failure) => new(
        $"layer '{Name}' ({Kind} of {Plugin.File}) failed {where}: {failure.GetType().Name}: "
        + failure.Message, failure);

    private RowArrays RowsOf(in ForwardPass pass, long* samples, int* offsets) => new()
    {
        Layer = this,
        Count = pass.Rows,
        Samples = samples,
        Stream = StreamOf(pass.Step, pass.LayerIndex),
        IsTraining = pass.Step.Training,
        Weights = pass.Weights,
        Offsets = offsets,
        Work = pass.Work,
        Input = pass.Input,
        Output = pass.Output,
    };

    private void Fold(in BackwardPass pass, in NodeGradient node)
    {
        float* sums = pass.Forward.Work.Shared + (nint)node.FirstMicroBatch * _sumFloats;
        for (int index = 0; index < Parameters.Length; index++)
        {
            VectorFold.Run(
                pass.Forward.Pool, sums + _sumOffsets[index], _sumFloats, node.MicroBatchCount,
                Parameters[index].Shape.Count, pass.GradientOf(node, index));
        }
    }

    /// <summary>What both passes know of all rows.</summary>
    private struct RowArrays
    {
        public PluginLayer Layer;
        public int Count;
        public long* Samples;
        public RandomStream Stream;
        public bool IsTraining;
        public float* Weights;
        public int* Offsets;
        public LayerScratch Work;
        public float* Input;
        public float* Output;

        public readonly RowRandomness RandomOf(int row) => new(Stream, (ulong)Samples[row]);

        public readonly RowParameters<Real32> Parameters
        {
            get
            {
                int count = Layer.Parameters.Length;
                int end = count == 0 ? 0 : Offsets[count - 1] + Layer.Parameters[^1].Shape.Count;
                return new RowParameters<Real32>(
                    new ReadOnlySpan<Real32>(Weights, end), new ReadOnlySpan<int>(Offsets, count),
                    Layer.Parameters);
            }
        }

        // The thread's scratch, cleared for the next row.
        public readonly Span<Real32> ScratchOf(int part)
        {
            var scratch = new Span<Real32>(Work.OfPart(part), Layer._layer.ScratchLength);
            scratch.Clear();
            return scratch;
        }

        public readonly Span<Real32> InputOf(float* rows, int row) =>
            new(rows + (nint)row * Layer.InputShape.Count, Layer.InputShape.Count);

        public readonly Span<Real32> OutputOf(float* rows, int row) =>
            new(rows + (nint)row * Layer.OutputShape.Count, Layer.OutputShape.Count);
    }

    private struct RowsForward : IParallelBody
    {
        public RowArrays Rows;

        public readonly void Run(int part, int parts)
        {
            RowParameters<Real32> parameters = Rows.Parameters;
            int row = ComputePool.PartStart(Rows.Count, part, parts);
            int end = ComputePool.PartStart(Rows.Count, part + 1, parts);
            try
            {
                for (; row < end; row++)
                {
                    Span<Real32> output = Rows.OutputOf(Rows.Output, row);
                    output.Clear();
                    Rows.Layer._layer.Forward(new RowForward<Real32>
                    {
                        Input = Rows.InputOf(Rows.Input, row),
                        Output = output,
                        Scratch = Rows.ScratchOf(part),
                        IsTraining = Rows.IsTraining,
                        Random = Rows.RandomOf(row),
                        Parameters = parameters,
                    });
                }
            }
            catch (Exception failure)
            {
                throw Rows.Layer.Failed($"forward, on sample {Rows.Samples[row]}", failure);
            }
        }
    }

    private struct MicroBatchesBackward : IParallelBody
    {
        public RowArrays Rows;
        public int* Starts;
        public int MicroBatches;
        public float* OutputGradient;
        public float* InputGradient;
        public float* Sums;

        public readonly void Run(int part, int parts)
        {
            int end = ComputePool.PartStart(MicroBatches, part + 1, parts);
            for (int m = ComputePool.PartStart(MicroBatches, part, parts); m < end; m++)
            {
                var sums = new Span<Real32>(
                    Sums + (nint)m * Rows.Layer._sumFloats, Rows.Layer._sumFloats);
                sums.Clear();
                RunMicroBatch(part, Starts[m], Starts[m + 1], sums);
            }
        }

        private readonly void RunMicroBatch(int part, int row, int end, Span<Real32> sums)
        {
            PluginLayer layer = Rows.Layer;
            var unneeded = new Span<Real32>(
                Rows.Work.OfPart(part)
                + ConvolutionGeometry.RoundUp(layer._layer.ScratchLength), layer.InputShape.Count);
            try
            {
                for (; row < end; row++)
                {
                    Span<Real32> inputGradient =
                        InputGradient is null ? unneeded : Rows.InputOf(InputGradient, row);
                    inputGradient.Clear();
                    layer._layer.Backward(new RowBackward<Real32>
                    {
                        Input = Rows.InputOf(Rows.Input, row),
                        Output = Rows.OutputOf(Rows.Output, row),
                        OutputGradient = Rows.OutputOf(OutputGradient, row),
                        InputGradient = inputGradient,
                        Scratch = Rows.ScratchOf(part),
                        Random = Rows.RandomOf(row),
                        Parameters = Rows.Parameters,
                        Accumulators = new RowAccumulators<Real32>(
                            sums, layer._sumOffsets, layer.Parameters),
                    });
                }
            }
            catch (Exception failure)
            {
                throw layer.Failed($"backward, on sample {Rows.Samples[row]}", failure);
            }
        }
    }
}
