using System.Collections.Immutable;
using Backprop.Training.Protocol;

namespace Backprop.Training.Simulation;

/// <summary>The copies of slices in a simulated node's memory. They are offered and fetched by
/// messages that are lost, repeated and late like all others, and die with the node.</summary>
internal sealed class SimulatedCopies
{
    private const int MostAttempts = 10;

    private readonly SimulatedCluster _cluster;
    private readonly SimulatedNode _node;
    private readonly CopyShelf<float[]> _shelf = new();
    private ServerDirective? _directive;
    private SliceCopy? _offered;
    private TimeSpan _offeredAt;
    private long _newestKept;

    public SimulatedCopies(SimulatedCluster cluster, SimulatedNode node)
    {
        _cluster = cluster;
        _node = node;
    }

    /// <summary>The whole ones.</summary>
    public ImmutableArray<SliceCopy> Whole => _shelf.Whole;

    /// <summary>A generation begins here.</summary>
    public void Begin(ServerDirective directive)
    {
        _directive = directive;
        _offered = null;
        _newestKept = 0;
        _shelf.KeepOnly((directive.Origin as SliceOrigin.Memory)?.Version);
        Accept(directive);
    }

    /// <summary>A directive holds.</summary>
    public void Accept(ServerDirective directive)
    {
        if (directive is { Closed: true, KeepsCopies: false })
        {
            _shelf.KeepOnly(null);
            _offered = null;
        }
    }

    /// <summary>Takes a copy of the own slice, and offers it to the next server.</summary>
    public void TakeOwn(SliceCopy copy, float[] content)
    {
        _shelf.Begin(copy.Version);
        _shelf.Add(copy, content, isWhole: true);
        _cluster.Statistics.Copies++;
        _offered = copy;
        Offer();
    }

    /// <summary>Offers again what nobody has said to keep.</summary>
    public void Look()
    {
        if (_offered is not null && _node.Clock - _offeredAt >= TimeSpan.FromSeconds(1))
        {
            Offer();
        }
    }

    /// <summary>Opens a slice from the copies of its origin: some of them are here.</summary>
    public void Fetch(
        SliceOrigin.Memory origin, SlicePlan plan, int slice,
        Action<CheckpointPart, float[]> take, Action opened, Action<string> failed,
        Func<bool> isWanted)
    {
        List<CopyKeeper> missing =
        [
            .. origin.Keepers.Where(keeper =>
                keeper.EndBlock > plan.FirstBlock(slice)
                && keeper.FirstBlock < plan.FirstBlock(slice + 1)),
        ];
        Ask(1);

        void Ask(int attempt)
        {
            if (!isWanted() || missing.Count == 0)
            {
                return;
            }

            if (attempt > MostAttempts)
            {
                failed($"{missing[0].Node} did not send its copy of version {origin.Version}");
                return;
            }

            foreach (CopyKeeper keeper in missing.ToArray())
            {
                _cluster.Send(_node, keeper.Node, to => to.Copies.Answer(
                    origin.Version, keeper, _node, (part, content) => Take(keeper, part, content)));
            }

            _cluster.Queue.After(TimeSpan.FromSeconds(1), _node.Life, () => Ask(attempt + 1));
        }

        void Take(CopyKeeper keeper, CheckpointPart part, float[] content)
        {
            if (isWanted() && missing.Remove(keeper))
            {
                take(part, content);
                if (missing.Count == 0)
                {
                    opened();
                }
            }
        }
    }

    private void Answer(
        long version, CopyKeeper keeper, SimulatedNode to, Action<CheckpointPart, float[]> answer)
    {
        if (_shelf.Find(version, keeper.FirstBlock) is { } content)
        {
            SliceCopy copy = _shelf.Whole.First(
                one => one.Version == version && one.Has(keeper.FirstBlock));
            _cluster.Send(_node, to.Id, _ => answer(
                new CheckpointPart(copy.FirstBlock, copy.EndBlock, ""), content));
        }
    }

    private void Offer()
    {
        SliceCopy copy = _offered!;
        ServerDirective directive = _directive!;
        float[] content = _shelf.Find(copy.Version, copy.FirstBlock)!;
        NodeId keeper = directive.Servers[(directive.Slice + 1) % directive.Servers.Length];
        _offeredAt = _node.Clock;
        _cluster.Send(
            _node, keeper, to => to.Copies.Keep(directive.Generation, copy, content, _node));
    }

    private void Keep(Generation generation, SliceCopy copy, float[] content, SimulatedNode from)
    {
        if (generation != _directive?.Generation || _node.Server?.State is not { } state)
        {
            return;
        }

        // A late repetition must not take a newer one's place.
        if (copy.Version > _newestKept)
        {
            _newestKept = copy.Version;
            _shelf.Begin(copy.Version);
            _shelf.Add(copy, content, isWhole: true);
            state.CopiesChanged(Whole);
        }

        _cluster.Send(_node, from.Id, to => to.Copies.Kept(generation, copy));
        _node.Server.CopiesMoved();
    }

    private void Kept(Generation generation, SliceCopy copy)
    {
        if (generation == _directive?.Generation && copy == _offered)
        {
            _offered = null;
            _node.Server!.State!.CopyKept(copy.Version, _node.Clock);
        }
    }
}
