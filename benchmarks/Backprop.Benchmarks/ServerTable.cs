using System.Diagnostics;
using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;
using Backprop.Distributed.Links;
using Backprop.Engine;
using Backprop.Engine.Gradients;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Threading;
using Backprop.Training.Digests;

namespace Backprop.Benchmarks;

/// <summary>What a parameter server does to a slice that no cache holds, beside what memory gives:
/// by turns, since the machine's speed changes from one minute to the next.</summary>
internal static class ServerTable
{
    private const int Turns = 15;
    private const int Side = 4_096;
    private const int ReceiveBuffers = 8;
    private const int PieceLength = FrameHeader.MaxPieceBytes / sizeof(float);

    public static void Print()
    {
        Console.WriteLine(
            $"a slice of {Side}x{Side} weights, 64 MiB a vector; bytes that have to be read and"
            + $" written, by the time; medians of {Turns}; memory: c[i] = a[i] + b[i] as long");
        Console.WriteLine(
            "threads  work                     bytes/weight     GB/s   memory  share");
        foreach (int threads in (int[])[1, ComputePool.DefaultThreads])
        {
            using var pool = new ComputePool(threads);
            Print(pool, new Sgd { LearningRate = 1e-3f }, isFirst: true);
            Print(pool, new Momentum { LearningRate = 1e-3f }, isFirst: false);
            Print(pool, new Adam { LearningRate = 1e-3f }, isFirst: false);
        }
    }

    private static void Print(ComputePool pool, Optimizer optimizer, bool isFirst)
    {
        Network network = Network.Build(
            Shape.Of(Side), [new DenseDefinition(Side) { Bias = false }]);
        ParameterLayout layout = network.Layout;
        var update = new ParameterUpdate(
            layout, 0, layout.BlockCount,
            new UpdateRules(optimizer, Penalty.None, Clipping.None), pool);
        using AlignedBuffer weights = Filled(update.Length);
        using AlignedBuffer gradient = Filled(update.Length);
        using AlignedBuffer next = Filled(update.Length);
        using AlignedBuffer state = new(update.StateLength);
        using AlignedBuffer received = Filled(ReceiveBuffers * PieceLength);
        var sums = new PieceSums[update.PieceCount];
        var digest = new SliceDigest(0, layout.BlockCount);
        long step = 0;
        void Apply() => update.Apply(
            new UpdateStep(step++, optimizer.LearningRate, 1, 1), gradient, weights, state, next,
            digest);

        void Memory()
        {
            var body = new Addition(weights, gradient, next);
            pool.Run(ref body);
        }

        if (isFirst)
        {
            // On the slice's own thread, and what has just arrived is in a cache.
            if (pool.Threads == 1)
            {
                Report(pool, "fold", 8, update.Length, () => Fold(received, gradient), Memory);
            }

            Report(
                pool, "norms and finite check", 8, update.Length,
                () => update.Prepare(weights, true, gradient, sums), Memory);
        }

        // Gradient, weights and state are read, weights and state written.
        int bytes = sizeof(float) * (3 + (2 * optimizer.StateCount));
        Report(pool, $"{optimizer.Name} and digest", bytes, update.Length, Apply, Memory);
    }

    private static void Report(
        ComputePool pool, string name, int bytesAWeight, int length, Action work, Action memory)
    {
        var ours = new List<double>();
        var reference = new List<double>();
        for (int turn = -2; turn < Turns; turn++)
        {
            double seconds = Seconds(work);
            double plain = Seconds(memory);
            if (turn >= 0)
            {
                ours.Add(1e-9 * bytesAWeight * length / seconds);
                reference.Add(1e-9 * 3 * sizeof(float) * length / plain);
            }
        }

        ours.Sort();
        reference.Sort();
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{pool.Threads,7}  {name,-25}{bytesAWeight,12}{ours[Turns / 2],9:F1}"
            + $"{reference[Turns / 2],9:F1}{ours[Turns / 2] / reference[Turns / 2],7:P0}"));
    }

    private static double Seconds(Action work)
    {
        long from = Stopwatch.GetTimestamp();
        work();
        return Stopwatch.GetElapsedTime(from).TotalSeconds;
    }

    private static void Fold(AlignedBuffer received, AlignedBuffer sum)
    {
        for (int start = 0; start < sum.Length; start += PieceLength)
        {
            Span<float> piece = sum.Span.Slice(start, PieceLength);
            GradientSum.Add(
                piece, received.Span.Slice(start % received.Length, PieceLength), piece);
        }
    }

    private static AlignedBuffer Filled(int length)
    {
        var buffer = new AlignedBuffer(length);
        buffer.Span.Fill(1e-3f);
        return buffer;
    }

    private readonly struct Addition(AlignedBuffer a, AlignedBuffer b, AlignedBuffer c)
        : IParallelBody
    {
        public void Run(int part, int parts)
        {
            int start = ComputePool.PartStart(a.Length, part, parts, 16);
            int end = ComputePool.PartStart(a.Length, part + 1, parts, 16);
            ReadOnlySpan<Vector<float>> left = Vectors(a, start, end);
            ReadOnlySpan<Vector<float>> right = Vectors(b, start, end);
            Span<Vector<float>> to = Vectors(c, start, end);
            for (int i = 0; i < to.Length; i++)
            {
                to[i] = left[i] + right[i];
            }
        }

        private static Span<Vector<float>> Vectors(AlignedBuffer buffer, int start, int end) =>
            MemoryMarshal.Cast<float, Vector<float>>(buffer.Span[start..end]);
    }
}
