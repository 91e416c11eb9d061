using System.Text.Json;
using Backprop.Engine.Gradients;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Schedules;
using Backprop.Engine.Tests.Fixtures;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Tests.Trajectories;

/// <summary>Whole networks trained for 25 steps against PyTorch in double precision: layers,
/// losses, micro-batches, penalties, clipping, optimizers, schedules and running statistics at
/// once.</summary>
public sealed class TrajectoryTests
{
    // A weight of size 1 is rounded by 6e-8 at the most in each of 25 steps, which random signs
    // make 3e-7 of, and what gradients are wrong by adds as much again; the largest difference is
    // 1.3e-6, on every machine alike. Wrong arithmetic shows in the second or third digit.
    private const double Tolerance = 3e-6;

    private static readonly JsonElement File = Fixture.Load("trajectories.json");

    public static TheoryData<int, string> Cases =>
        File.Cases(test => test.GetProperty("name").GetString()!);

    [Theory]
    [MemberData(nameof(Cases))]
    public void Training_follows_PyTorch(int index, string name)
    {
        var trajectory = new Trajectory(File, File.GetProperty("cases")[index]);
        using var pool = new ComputePool(1);
        using var training = new Training(trajectory, pool);
        double[] losses = trajectory.Losses;
        int[] recorded = trajectory.Recorded;
        for (int step = 0; step < losses.Length; step++)
        {
            AssertNear(losses[step], training.Step(step, losses.Length), $"{name}: loss of {step}");
            int record = Array.IndexOf(recorded, step + 1);
            if (record >= 0)
            {
                AssertNear(
                    trajectory.Parameters(record), training.Weights, trajectory.Network.Layout,
                    $"{name}: after step {step}");
            }
        }

        double[] outputs = trajectory.Outputs;
        foreach ((double expected, float actual) in outputs.Zip(training.Evaluate(outputs.Length)))
        {
            AssertNear(expected, actual, $"{name}: outputs");
        }
    }

    private static void AssertNear(
        double[][] expected, AlignedBuffer actual, ParameterLayout layout, string what)
    {
        foreach ((ParameterView view, double[] tensor) in layout.Views.Zip(expected))
        {
            for (int i = 0; i < tensor.Length; i++)
            {
                AssertNear(
                    tensor[i], actual.Span[view.Offset + i], $"{what}: {view.Name}[{i}]");
            }
        }
    }

    private static void AssertNear(double expected, double actual, string what) =>
        Assert.True(
            Math.Abs(expected - actual) <= Tolerance * Math.Max(1, Math.Abs(expected)),
            $"{what} is {actual}, not {expected}");

    private sealed class Training : IDisposable
    {
        private readonly Trajectory _trajectory;
        private readonly NetworkExecutor _executor;
        private readonly ParameterUpdate _update;
        private readonly ParameterNorms _norms;
        private readonly PieceSums[] _sums;
        private readonly GradientSet _gradients;
        private readonly AlignedBuffer _state;
        private readonly Batch _batch;

        public Training(Trajectory trajectory, ComputePool pool)
        {
            _trajectory = trajectory;
            Network network = trajectory.Network;
            MicroBatches cut = trajectory.MicroBatches;
            int rows = Math.Max(cut.GlobalRows, trajectory.Outputs.Length);
            _executor = new NetworkExecutor(network, trajectory.Loss, rows, cut.Count, pool);
            _update = new ParameterUpdate(
                network.Layout, 0, network.Layout.BlockCount, trajectory.Rules, pool);
            _norms = new ParameterNorms(network.Layout);
            _sums = new PieceSums[_update.PieceCount];
            _gradients = new GradientSet(network.Layout, 0, cut.Count, cut.Count);
            _state = new AlignedBuffer(_update.StateLength);
            _batch = trajectory.MakeBatch(rows);
            Weights = new AlignedBuffer(network.Layout.Length);
            trajectory.Initialize(Weights);
            _executor.UseWeights(Weights);
        }

        public AlignedBuffer Weights { get; }

        /// <summary>Trains one step; returns its mean loss, without penalties.</summary>
        public double Step(int step, int total)
        {
            MicroBatches cut = _trajectory.MicroBatches;
            _trajectory.Fill(step * cut.GlobalRows, cut.GlobalRows, _batch);
            _executor.ComputeGradients(_batch, new StepWork(1, step, cut), _gradients, null);
            AlignedBuffer gradient = _gradients.Gradient(0);
            _update.Prepare(Weights, measureWeights: false, gradient, _sums);
            Assert.Null(_norms.FindNonFinite(_sums));
            UpdateRules rules = _trajectory.Rules;
            float rate = _trajectory.Schedule.At(
                rules.Optimizer.LearningRate, new SchedulePosition(step, 1, total, 0));
            float scale = rules.Clipping.ScaleFor(_norms.GradientNorm(_sums));
            _update.Apply(
                new UpdateStep(step, rate, scale, cut.NonEmptyCount), gradient, Weights, _state,
                Weights);
            return _gradients.LossSum(0) / cut.GlobalRows;
        }

        /// <summary>The network's outputs for the first samples.</summary>
        public float[] Evaluate(int length)
        {
            var outputs = new float[length];
            _trajectory.Fill(0, length / _trajectory.Network.OutputShape.Count, _batch);
            _executor.Evaluate(_batch, outputs, []);
            return outputs;
        }

        public void Dispose()
        {
            _executor.Dispose();
            _gradients.Dispose();
            _state.Dispose();
            _batch.Dispose();
            Weights.Dispose();
        }
    }
}
