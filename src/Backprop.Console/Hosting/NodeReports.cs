using System.Collections.Immutable;
using Backprop.Training.Protocol;

namespace Backprop.Console.Hosting;

/// <summary>What a node's actors tell its host, on any thread.</summary>
internal sealed class NodeReports
{
    private readonly TaskCompletionSource<NodeEnding> _mustEnd =
        new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The cluster has these members now.</summary>
    public event Action<ImmutableArray<NodeId>>? MembersChanged;

    /// <summary>Completes with the first reason for which the node cannot stay.</summary>
    public Task<NodeEnding> MustEnd => _mustEnd.Task;

    /// <summary>Says that the node cannot stay.</summary>
    public void End(string reason, bool mayReturn) =>
        _mustEnd.TrySetResult(new NodeEnding(reason, mayReturn));

    /// <summary>Says who is in the cluster.</summary>
    public void ChangeMembers(ImmutableArray<NodeId> members) => MembersChanged?.Invoke(members);
}
