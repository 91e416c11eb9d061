using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Backprop.Training.Protocol;

namespace Backprop.Training.Tests.Protocol;

/// <summary>Where slices save checkpoints, and others open from them: flat vectors by version.
/// </summary>
internal sealed class InMemoryCheckpoints(TrainingPlan plan)
{
    private readonly Dictionary<long, Vectors> _versions = [];

    public ImmutableArray<CheckpointPart> Save(InMemoryServer server)
    {
        if (!_versions.TryGetValue(server.State.Version, out Vectors? vectors))
        {
            vectors = new Vectors(plan);
            _versions.Add(server.State.Version, vectors);
        }

        int total = plan.Network.Layout.Length, length = server.Weights.Length;
        server.Weights.Span.CopyTo(vectors.Weights.AsSpan(server.Offset));
        server.Best.Span.CopyTo(vectors.Best.AsSpan(server.Offset));
        for (int i = 0; i < plan.Optimizer.StateCount; i++)
        {
            server.OptimizerState.Span.Slice(i * length, length)
                .CopyTo(vectors.State.AsSpan((i * total) + server.Offset));
        }

        SlicePlan slices = server.State.Plan;
        byte[] digest = SHA256.HashData(MemoryMarshal.AsBytes(server.Weights.Span));
        return
        [
            new CheckpointPart(
                slices.FirstBlock(server.State.Slice), slices.FirstBlock(server.State.Slice + 1),
                Convert.ToHexStringLower(digest)),
        ];
    }

    public void Load(long version, InMemoryServer server)
    {
        Vectors vectors = _versions[version];
        int total = plan.Network.Layout.Length, length = server.Weights.Length;
        vectors.Weights.AsSpan(server.Offset, length).CopyTo(server.Weights.Span);
        vectors.Best.AsSpan(server.Offset, length).CopyTo(server.Best.Span);
        for (int i = 0; i < plan.Optimizer.StateCount; i++)
        {
            vectors.State.AsSpan((i * total) + server.Offset, length)
                .CopyTo(server.OptimizerState.Span[(i * length)..]);
        }
    }

    private sealed class Vectors(TrainingPlan plan)
    {
        public float[] Weights { get; } = new float[plan.Network.Layout.Length];

        public float[] Best { get; } = new float[plan.Network.Layout.Length];

        public float[] State { get; } =
            new float[plan.Network.Layout.Length * plan.Optimizer.StateCount];
    }
}
