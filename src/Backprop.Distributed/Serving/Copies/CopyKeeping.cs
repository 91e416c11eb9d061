using System.Buffers.Binary;
using System.Collections.Immutable;
using Backprop.Distributed.Links;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Persistence;
using Backprop.Engine.Networks;
using Backprop.Training.Checkpoints;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Serving.Copies;

/// <summary>
/// The copies of a run's slices in this node's memory: takes those of its own slice, fetches those
/// of the slice before it, and gives both to whoever opens a slice from them. They outlive
/// generations. One caller at a time.
/// </summary>
internal sealed class CopyKeeping : IDisposable
{
    // While training goes on, the step's own pieces wait behind no more blocks of 256 KiB than
    // these; when a slice is opened, nothing else is under way.
    private const int WindowInTraining = 4;
    private const int WindowInOpening = 16;
    private const int MostSpares = 2;

    private readonly NodeContext _context;
    private readonly RunHash _run;
    private readonly PieceCut _cut;
    private readonly CopyGuard _guard;
    private readonly CopyShelf<CopiedSlice> _shelf = new();
    private readonly List<CopiedSlice> _spares = [];
    private readonly byte[] _payload = new byte[FrameHeader.OfferBytes];
    private Generation _generation;
    private CopyKeeper _keeper;
    private CopyKeeper _kept;
    private SliceCopy? _offered;
    private TimeSpan _offeredAt;
    private SliceCopy? _fetched;
    private CopyFetch? _fetch;
    private CopyFetch? _opening;
    private bool _hasChanged;

    /// <summary>Of a run.</summary>
    /// <param name="context">The node.</param>
    /// <param name="run">The run.</param>
    /// <param name="wake">Called, on any thread, when there is something to look at.</param>
    public CopyKeeping(NodeContext context, KnownRun run, Action wake)
    {
        _context = context;
        _run = RunHash.Of(run.Setup.Run.Value);
        _cut = new PieceCut(
            run.Dimensions.Layout.Length, run.Specification.Rules.StateCount, HasBest: true);
        _guard = new CopyGuard(_cut);
        Inbox = context.Links.Register(RunPart.Copies, _run, _guard, wake);
    }

    /// <summary>What has arrived.</summary>
    public RunInbox Inbox { get; }

    /// <summary>The version of which the next server has lately said that it keeps the own copy,
    /// too; null: it has not.</summary>
    public long? NewlyKept { get; private set; }

    /// <summary>Why this node cannot keep the next copy, in words; null: it can.</summary>
    public string? OffReason { get; private set; }

    /// <summary>Whether everything is there that is being opened.</summary>
    public bool IsOpeningDone => _opening is { IsDone: true };

    /// <summary>Bytes of the copies of a slice and of the one before it, two versions of each.
    /// </summary>
    public static long Bytes(SlicePlan plan, int slice, int stateCount)
    {
        var cut = new PieceCut(plan.Layout.Length, stateCount, HasBest: true);
        int before = Before(slice, plan.SliceCount);
        return 2 * (
            CopiedSlice.BytesOf(cut, plan.FirstBlock(slice), plan.FirstBlock(slice + 1))
            + CopiedSlice.BytesOf(cut, plan.FirstBlock(before), plan.FirstBlock(before + 1)));
    }

    /// <summary>A generation begins here.</summary>
    /// <param name="directive">Opens the slice: only what it opens from is kept.</param>
    /// <param name="plan">How the vector is cut.</param>
    public void Begin(ServerDirective directive, SlicePlan plan)
    {
        Retire(_shelf.KeepOnly((directive.Origin as SliceOrigin.Memory)?.Version));
        DropSpares();
        _offered = null;
        _fetched = null;
        _fetch = null;
        _opening = null;
        _guard.Wanted = -1;
        OffReason = null;
        _hasChanged = true;
        _generation = directive.Generation;
        int servers = directive.Servers.Length, slice = directive.Slice;
        int before = Before(slice, servers);
        _keeper = new CopyKeeper(
            directive.Servers[(slice + 1) % servers], plan.FirstBlock(slice),
            plan.FirstBlock(slice + 1));
        _kept = new CopyKeeper(
            directive.Servers[before], plan.FirstBlock(before), plan.FirstBlock(before + 1));
    }

    /// <summary>Lets go of every copy.</summary>
    public void DropAll()
    {
        Retire(_shelf.KeepOnly(null));
        DropSpares();
        _offered = null;
        _fetched = null;
        _fetch = null;
        _hasChanged = true;
    }

    /// <summary>Copies the own slice, and offers the copy to the next server.</summary>
    /// <exception cref="InsufficientMemoryException">There is no memory for it.</exception>
    public void TakeOwn(SliceCopy copy, SliceContent slice)
    {
        MakeRoomFor(copy.Version);
        CopiedSlice taken = Rent(copy);
        taken.Fill(slice);
        _shelf.Add(copy, taken, isWhole: true);
        _hasChanged = true;
        _offered = copy;
        Offer(_keeper.Node, copy);
    }

    /// <summary>Begins to fill a slice from the copies that it opens from.</summary>
    /// <exception cref="CheckpointException">This node lacks what it is said to keep, or it is
    /// damaged.</exception>
    public void BeginOpening(SliceOrigin.Memory origin, SliceContent slice)
    {
        ImmutableArray<CopyKeeper> keepers =
        [
            .. origin.Keepers
                .Select(keeper => keeper with
                {
                    FirstBlock = Math.Max(keeper.FirstBlock, slice.FirstBlock),
                    EndBlock = Math.Min(keeper.EndBlock, slice.EndBlock),
                })
                .Where(keeper => keeper.FirstBlock < keeper.EndBlock),
        ];
        var target = new OpenedSlice(slice);
        _opening = new CopyFetch(
            _context.Links, _run, origin.Version, slice.Cut, keepers, WindowInOpening,
            _context.Patience.Question, target, _context.Now);
        foreach (CopyKeeper own in keepers.Where(keeper => keeper.Node == _context.Node))
        {
            TakeOverOwn(origin.Version, own, slice.Cut, target);
        }

        _guard.Wanted = origin.Version;
        _opening.Continue(_context.Now);
    }

    /// <summary>The slice is open, or is opened no longer.</summary>
    public void EndOpening()
    {
        _opening = null;
        _guard.Wanted = _fetch?.Version ?? -1;
    }

    /// <summary>Looks at what has arrived, up to so many frames.</summary>
    /// <returns>Whether there may be more.</returns>
    public bool TakeArrivals(int most)
    {
        Inbox.BeginLook();
        for (int i = 0; i < most; i++)
        {
            if (!Inbox.TryTake(out RunArrival next))
            {
                Continue();
                return false;
            }

            try
            {
                Take(next.From, next.Arrival);
            }
            finally
            {
                next.Arrival.Dispose();
            }
        }

        Continue();
        return true;
    }

    /// <summary>Looks at what is late.</summary>
    /// <exception cref="CheckpointException">Somebody does not send what is opened from.
    /// </exception>
    public void Look()
    {
        if (_offered is { } offered
            && _context.Now - _offeredAt >= _context.Patience.Question)
        {
            Offer(_keeper.Node, offered);
        }

        Continue();
        if (_opening is { IsDone: false } opening
            && _context.Now - opening.LastArrival >= _context.Patience.Copies)
        {
            throw new CheckpointException(
                $"{opening.Missing} did not send the copy of version {opening.Version} within"
                + $" {_context.Patience.Copies.TotalSeconds:0.#} s");
        }
    }

    /// <summary>The whole copies, if they are others than when it was last asked.</summary>
    public bool TryTakeChange(out ImmutableArray<SliceCopy> copies)
    {
        copies = _hasChanged ? _shelf.Whole : [];
        bool hasChanged = _hasChanged;
        _hasChanged = false;
        return hasChanged;
    }

    /// <summary>Forgets what <see cref="NewlyKept"/> says.</summary>
    public void ClearNewlyKept() => NewlyKept = null;

    /// <summary>Takes no more frames, and lets go of everything.</summary>
    public void Dispose()
    {
        Inbox.Dispose();
        EndOpening();
        DropAll();
    }

    private static int Before(int slice, int servers) => (slice + servers - 1) % servers;

    private void TakeOverOwn(
        long version, in CopyKeeper own, PieceCut cut, OpenedSlice target)
    {
        for (int block = own.FirstBlock; block < own.EndBlock; block++)
        {
            CopiedSlice copied = _shelf.Find(version, block)
                ?? throw new CheckpointException(
                    $"{_context.Node} keeps no copy of block {block} in version {version}");
            for (int section = 0; section < cut.Sections; section++)
            {
                ReadOnlySpan<float> place = copied.Block(section, block);
                CopiedSlice.Verified(place, section, block);
                target.Put(section, block, place);
                _opening!.Has(section, block);
            }
        }
    }

    private void Take(NodeId from, Arrival arrival)
    {
        ref readonly FrameHeader header = ref arrival.Header;
        switch (header.Type)
        {
            case FrameType.Copy:
                TakeBlock(arrival);
                break;
            case FrameType.CopyOffer:
                TakeOffer(from, header, arrival.Payload);
                break;
            case FrameType.CopyRequest:
                Answer(from, header.Step, arrival.Payload);
                break;
        }
    }

    private void TakeBlock(Arrival arrival)
    {
        ref readonly FrameHeader header = ref arrival.Header;
        int block = header.Offset / ParameterLayout.DefaultBlockLength;
        if (_opening is { } opening && opening.Version == header.Step)
        {
            opening.Take(header.Piece, block, arrival.Elements, _context.Now);
        }

        if (_fetch is { } fetch && fetch.Version == header.Step)
        {
            Take(fetch, header.Piece, block, arrival.Elements);
        }
    }

    // What is damaged where it was taken is no reason to stop training, but one to copy no more.
    private void Take(
        CopyFetch fetch, int section, int block, ReadOnlySpan<float> elementsAndDigest)
    {
        try
        {
            fetch.Take(section, block, elementsAndDigest, _context.Now);
        }
        catch (CheckpointException damage)
        {
            OffReason = damage.Message;
            _fetch = null;
            _guard.Wanted = _opening?.Version ?? -1;
            return;
        }

        if (fetch.IsDone)
        {
            _shelf.MakeWhole(_fetched!);
            _hasChanged = true;
            Offer(_kept.Node, _fetched!);
            _fetch = null;
            _guard.Wanted = _opening?.Version ?? -1;
        }
    }

    private void TakeOffer(NodeId from, in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        if (header.Generation != _generation.Value)
        {
            return; // Versions only rise within a generation.
        }

        SliceCopy copy = CopyOffer.Read(header, payload);
        if (from == _keeper.Node && copy == _offered)
        {
            NewlyKept = copy.Version;
            _offered = null;
        }
        else if (from == _kept.Node && copy.FirstBlock == _kept.FirstBlock
            && copy.EndBlock == _kept.EndBlock)
        {
            TakeOffer(copy);
        }
    }

    private void TakeOffer(SliceCopy copy)
    {
        if (_shelf.Whole.Contains(copy))
        {
            Offer(_kept.Node, copy); // What was said before was lost.
        }
        else if (_fetched is null || copy.Version > _fetched.Version)
        {
            _fetched = copy;
            MakeRoomFor(copy.Version);
            CopiedSlice place;
            try
            {
                place = Rent(copy);
            }
            catch (InsufficientMemoryException failure)
            {
                OffReason = failure.Message;
                return;
            }

            _shelf.Add(copy, place, isWhole: false);
            _fetch = new CopyFetch(
                _context.Links, _run, copy.Version, CutOf(copy),
                [_kept], WindowInTraining, _context.Patience.Question, place, _context.Now);
            _guard.Wanted = copy.Version;
        }
    }

    private void Answer(NodeId from, long version, ReadOnlySpan<byte> indices)
    {
        for (; !indices.IsEmpty; indices = indices[sizeof(int)..])
        {
            int index = BinaryPrimitives.ReadInt32LittleEndian(indices);
            int section = index / _cut.BlockCount, block = index % _cut.BlockCount;
            if (index < 0 || _shelf.Find(version, block) is not { } copied
                || section >= copied.Sections
                || !copied.TrySend(_context.Links, from, _run, version, section, block))
            {
                return; // What is left is asked for again.
            }
        }
    }

    private void Offer(NodeId to, SliceCopy copy)
    {
        _offeredAt = _context.Now;
        CopyOffer.Write(copy, _payload);
        _context.Links.TrySend(
            to,
            FrameHeader.CopyOffer(
                _run, _generation.Value, copy.Version, copy.FirstBlock, copy.EndBlock),
            _payload);
    }

    private void Continue()
    {
        _opening?.Continue(_context.Now);
        _fetch?.Continue(_context.Now);
    }

    private PieceCut CutOf(SliceCopy copy) => _cut with { HasBest = copy.BestVersion is not null };

    private void MakeRoomFor(long version)
    {
        Retire(_shelf.Begin(version));
        if (_fetch is { } fetch && fetch.Version != version)
        {
            _fetch = null;
            _guard.Wanted = _opening?.Version ?? -1;
        }
    }

    private CopiedSlice Rent(SliceCopy copy)
    {
        PieceCut cut = CutOf(copy);
        int index = _spares.FindIndex(
            spare => spare.IsFree && spare.IsOf(cut, copy.FirstBlock, copy.EndBlock));
        if (index < 0)
        {
            DropSpares();
            return new CopiedSlice(cut, copy.FirstBlock, copy.EndBlock);
        }

        CopiedSlice found = _spares[index];
        _spares.RemoveAt(index);
        return found;
    }

    private void Retire(ImmutableArray<CopiedSlice> copies)
    {
        foreach (CopiedSlice copy in copies)
        {
            if (_spares.Count < MostSpares)
            {
                _spares.Add(copy);
            }
            else
            {
                copy.Retire();
            }
        }
    }

    private void DropSpares()
    {
        _spares.ForEach(spare => spare.Retire());
        _spares.Clear();
    }
}
