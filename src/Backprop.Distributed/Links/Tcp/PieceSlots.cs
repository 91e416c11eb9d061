using System.Runtime.InteropServices;
using Backprop.Engine;
using Microsoft.Win32.SafeHandles;

namespace Backprop.Distributed.Links.Tcp;

/// <summary>
/// Memory between two processes in which one leaves the payloads of long frames for the other. A
/// page or more has the slots' states, each on a cache line of its own, since both ends look at
/// them; the slots follow; and behind the last of them is what kernels may read past its end.
/// </summary>
internal static class PieceSlots
{
    /// <summary>Bytes of a slot.</summary>
    public const int SlotBytes = FrameHeader.MaxPieceBytes;

    /// <summary>The state of a slot that the sender may fill: that of new memory.</summary>
    public const int Free = 0;

    /// <summary>The state of a slot that the receiver has not let go of yet.</summary>
    public const int Full = 1;

    private const int PageBytes = 4_096;
    private const int LineBytes = 64;

    /// <summary>Bytes of memory with <paramref name="slots"/> slots.</summary>
    public static long BytesOf(int slots) => StateBytesOf(slots) + ((long)slots * SlotBytes)
        + (AlignedBuffer.SlackFloats * sizeof(float));

    /// <summary>Where the state of a slot is.</summary>
    public static unsafe ref int StateOf(nint memory, int slot) =>
        ref *(int*)(memory + (slot * LineBytes));

    /// <summary>Where a slot is.</summary>
    /// <param name="memory">The memory's first byte.</param>
    /// <param name="slots">How many slots it has.</param>
    /// <param name="slot">Which of them.</param>
    public static nint AddressOf(nint memory, int slots, int slot) =>
        memory + StateBytesOf(slots) + ((nint)slot * SlotBytes);

    private static int StateBytesOf(int slots) =>
        ((slots * LineBytes) + PageBytes - 1) / PageBytes * PageBytes;
}

/// <summary>The sender's end of <see cref="PieceSlots"/>.</summary>
internal sealed class SendSlots : IDisposable
{
    private readonly SharedMemory _memory;
    private readonly int _slots;

    private SendSlots(SharedMemory memory, int slots)
    {
        _memory = memory;
        _slots = slots;
    }

    /// <summary>Maps what the receiver has made, as <see cref="SharedMemory.Open"/>.</summary>
    /// <returns>Null: it cannot be had.</returns>
    public static SendSlots? Open(int process, int descriptor, int slots) =>
        SharedMemory.Open(process, descriptor, PieceSlots.BytesOf(slots)) is { } memory
            ? new SendSlots(memory, slots)
            : null;

    /// <summary>Leaves a payload in the first slot that is free: the fewer are used, the more of
    /// them stay in the caches. By one thread at a time.</summary>
    /// <returns>The slot.</returns>
    /// <exception cref="LinkEndedException">None is free, though there was credit.</exception>
    /// <exception cref="ObjectDisposedException">The link has ended.</exception>
    public unsafe int Put(ReadOnlySpan<byte> payload)
    {
        bool isHeld = false;
        try
        {
            _memory.DangerousAddRef(ref isHeld);
            nint memory = _memory.DangerousGetHandle();
            int slot = FirstFree(memory);
            payload.CopyTo(new Span<byte>(
                (void*)PieceSlots.AddressOf(memory, _slots, slot), PieceSlots.SlotBytes));
            Volatile.Write(ref PieceSlots.StateOf(memory, slot), PieceSlots.Full);
            return slot;
        }
        finally
        {
            if (isHeld)
            {
                _memory.DangerousRelease();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _memory.Dispose();

    private int FirstFree(nint memory)
    {
        for (int slot = 0; slot < _slots; slot++)
        {
            if (Volatile.Read(ref PieceSlots.StateOf(memory, slot)) == PieceSlots.Free)
            {
                return slot;
            }
        }

        throw new LinkEndedException(
            LinkEndKind.Refused,
            $"the peer granted credit while all of its {_slots} slots in memory were taken");
    }
}

/// <summary>The receiver's end of <see cref="PieceSlots"/>, who makes them. Its arrivals point into
/// the memory, which stays until the last of them is disposed.</summary>
internal sealed class ReceiveSlots : IDisposable
{
    private readonly SharedMemory _memory;
    private readonly Slot[] _slots;
    private SafeFileHandle? _file;

    private ReceiveSlots(SharedMemory memory, SafeFileHandle file, int slots)
    {
        _memory = memory;
        _file = file;
        _slots = [.. Enumerable.Range(0, slots).Select(index => new Slot(this, index))];
    }

    /// <summary>What the sender opens the memory by; null once it has.</summary>
    public int? Descriptor => (int?)_file?.DangerousGetHandle();

    /// <summary>Makes the memory.</summary>
    /// <returns>Null: there is none of that kind here.</returns>
    public static ReceiveSlots? Create(int slots) =>
        SharedMemory.Create(PieceSlots.BytesOf(slots), out SafeFileHandle? file) is { } memory
            ? new ReceiveSlots(memory, file!, slots)
            : null;

    /// <summary>The sender has the memory: nobody else is to open it.</summary>
    public void CloseFile()
    {
        _file?.Dispose();
        _file = null;
    }

    /// <summary>The payload of a frame that has arrived.</summary>
    /// <param name="index">The slot that the sender has named.</param>
    /// <param name="header">The frame's header.</param>
    /// <param name="lane">Whose credit the frame has taken.</param>
    /// <exception cref="LinkEndedException">The slot cannot have it.</exception>
    public Arrival Take(int index, in FrameHeader header, ReceiveLane lane) =>
        SlotOf(index).Take(header, lane);

    /// <summary>Lets go of the payload of a frame that nobody wants.</summary>
    /// <param name="index">The slot that the sender has named.</param>
    /// <exception cref="LinkEndedException">The slot cannot have it.</exception>
    public void Pass(int index)
    {
        SlotOf(index);
        Volatile.Write(
            ref PieceSlots.StateOf(_memory.DangerousGetHandle(), index), PieceSlots.Free);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        CloseFile();
        _memory.Dispose();
    }

    private Slot SlotOf(int index)
    {
        if ((uint)index >= _slots.Length)
        {
            throw Refused($"a frame in slot {index} of {_slots.Length} in memory");
        }

        // The state may be anybody's of the two processes: whether a slot is held, only this end
        // knows.
        return !_slots[index].IsHeld
            && Volatile.Read(ref PieceSlots.StateOf(_memory.DangerousGetHandle(), index))
                == PieceSlots.Full
            ? _slots[index]
            : throw Refused($"a frame in slot {index} in memory, which was not filled for it");
    }

    private static LinkEndedException Refused(string reason) => new(LinkEndKind.Refused, reason);

    private sealed class Slot(ReceiveSlots owner, int index) : IArrivalSource
    {
        private readonly Arrival _arrival = new();
        private ReceiveLane? _lane;
        private volatile bool _isHeld;

        public bool IsHeld => _isHeld;

        public unsafe Arrival Take(in FrameHeader header, ReceiveLane lane)
        {
            bool isHeld = false;
            owner._memory.DangerousAddRef(ref isHeld);
            _lane = lane;
            _isHeld = true;
            lane.Hold();
            nint memory = owner._memory.DangerousGetHandle();
            _arrival.Begin(
                header, (float*)PieceSlots.AddressOf(memory, owner._slots.Length, index), this);
            return _arrival;
        }

        // The slot is free before the credit is granted, so who has credit finds a slot.
        public void Return(Arrival arrival)
        {
            ReceiveLane lane = _lane!;
            nint memory = owner._memory.DangerousGetHandle();
            _isHeld = false;
            Volatile.Write(ref PieceSlots.StateOf(memory, index), PieceSlots.Free);
            owner._memory.DangerousRelease();
            lane.LetGo();
        }
    }
}
