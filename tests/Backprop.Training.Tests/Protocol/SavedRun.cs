using System.Collections.Immutable;
using Backprop.Engine.Schedules;
using Backprop.Training.Protocol;
using Backprop.Training.Stopping;

namespace Backprop.Training.Tests.Protocol;

/// <summary>A checkpoint as slices make it and others take it: flat vectors, and the position.
/// </summary>
internal sealed class SavedRun(TrainingPlan plan)
{
    private readonly int _length = plan.Network.Layout.Length;
    private readonly float[] _weights = new float[plan.Network.Layout.Length];
    private readonly float[] _best = new float[plan.Network.Layout.Length];
    private readonly float[] _state =
        new float[plan.Network.Layout.Length * plan.Optimizer.StateCount];

    public SliceOrigin.Checkpoint? Origin { get; private set; }

    public ImmutableArray<EpochReport> History { get; set; } = [];

    public StoppingState Stopping { get; set; } = StoppingState.Initial;

    public PlateauState Plateau { get; set; } = PlateauState.Initial;

    public void Store(InMemoryServer server)
    {
        int length = server.Weights.Length;
        server.Weights.Span.CopyTo(_weights.AsSpan(server.Offset));
        server.Best.Span.CopyTo(_best.AsSpan(server.Offset));
        for (int i = 0; i < plan.Optimizer.StateCount; i++)
        {
            server.OptimizerState.Span.Slice(i * length, length)
                .CopyTo(_state.AsSpan((i * _length) + server.Offset));
        }
    }

    public void Load(InMemoryServer server)
    {
        int length = server.Weights.Length;
        _weights.AsSpan(server.Offset, length).CopyTo(server.Weights.Span);
        _best.AsSpan(server.Offset, length).CopyTo(server.Best.Span);
        for (int i = 0; i < plan.Optimizer.StateCount; i++)
        {
            _state.AsSpan((i * _length) + server.Offset, length)
                .CopyTo(server.OptimizerState.Span[(i * length)..]);
        }
    }

    public void Commit(SavedSlice first) => Origin = new SliceOrigin.Checkpoint(
        first.Version, first.BestVersion, first.EpochLossSum!.Value);
}
