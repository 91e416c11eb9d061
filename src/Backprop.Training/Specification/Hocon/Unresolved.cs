using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;

namespace Backprop.Training.Specification.Hocon;

/// <summary>A value as it is written, before substitutions.</summary>
internal abstract class UnresolvedValue(SourcePosition position)
{
    public SourcePosition Position { get; } = position;
}

/// <summary>A scalar or null: nothing in it can change any more.</summary>
internal sealed class UnresolvedLeaf(HoconValue value) : UnresolvedValue(value.Position)
{
    public HoconValue Value { get; } = value;
}

internal sealed class UnresolvedArray(SourcePosition position) : UnresolvedValue(position)
{
    public List<UnresolvedValue> Items { get; } = [];
}

/// <summary><c>${path}</c> or <c>${?path}</c>.</summary>
/// <param name="position">Where it stands.</param>
/// <param name="path">The keys.</param>
/// <param name="isOptional">Whether it may be undefined.</param>
/// <param name="includedUnder">The keys under which the file with it is included: the path is
/// looked up there first.</param>
internal sealed class Substitution(
    SourcePosition position, ImmutableArray<string> path, bool isOptional,
    ImmutableArray<string> includedUnder) : UnresolvedValue(position)
{
    public ImmutableArray<string> Path { get; } = path;

    public bool IsOptional { get; } = isOptional;

    public ImmutableArray<string> IncludedUnder { get; } = includedUnder;

    public string Text => $"${{{(IsOptional ? "?" : "")}{string.Join('.', Path)}}}";
}

/// <summary>Values written one after the other: concatenated strings or arrays, merged objects.
/// </summary>
internal sealed class Concatenation(
    SourcePosition position, List<(string SpaceBefore, UnresolvedValue Value)> pieces)
    : UnresolvedValue(position)
{
    public List<(string SpaceBefore, UnresolvedValue Value)> Pieces { get; } = pieces;
}

internal sealed class UnresolvedObject(SourcePosition position) : UnresolvedValue(position)
{
    private readonly Dictionary<string, Slot> _byKey = new(StringComparer.Ordinal);

    /// <summary>The slot that holds this object; null for the root and inside arrays.</summary>
    public Slot? Owner { get; set; }

    public List<Slot> Slots { get; } = [];

    public bool TryGet(string key, [NotNullWhen(true)] out Slot? slot) =>
        _byKey.TryGetValue(key, out slot);

    /// <summary>The slot of a key, made at its first mention.</summary>
    public Slot SlotOf(string key, SourcePosition keyPosition)
    {
        if (!_byKey.TryGetValue(key, out Slot? slot))
        {
            slot = new Slot(key, this);
            _byKey.Add(key, slot);
            Slots.Add(slot);
        }

        slot.KeyPosition = keyPosition;
        return slot;
    }

    /// <summary>Repeats the assignments of <paramref name="later"/> after those made
    /// here.</summary>
    public void Absorb(UnresolvedObject later)
    {
        foreach (Slot slot in later.Slots)
        {
            Slot target = SlotOf(slot.Key, slot.KeyPosition);
            foreach (UnresolvedValue value in slot.Assignments)
            {
                target.Assign(value);
            }
        }
    }
}

/// <summary>A key of an object with everything that was assigned to it, in order.</summary>
internal sealed class Slot(string key, UnresolvedObject container)
{
    public string Key { get; } = key;

    public UnresolvedObject Container { get; } = container;

    public SourcePosition KeyPosition { get; set; }

    public List<UnresolvedValue> Assignments { get; } = [];

    /// <summary>Being resolved: a substitution that comes back here means the value so
    /// far.</summary>
    public bool IsResolving { get; set; }

    public bool IsResolved { get; set; }

    /// <summary>The fold of the assignments looked at so far; null: undefined.</summary>
    public HoconValue? Value { get; set; }

    /// <summary>Adds an assignment. An object after an object is merged at once, so that paths into
    /// it can be followed without resolving the whole.</summary>
    public void Assign(UnresolvedValue value)
    {
        if (value is UnresolvedObject later)
        {
            if (Assignments.Count > 0 && Assignments[^1] is UnresolvedObject earlier)
            {
                earlier.Absorb(later);
                return;
            }

            later.Owner = this;
        }
        else if (value is Concatenation concatenation)
        {
            foreach ((_, UnresolvedValue piece) in concatenation.Pieces)
            {
                if (piece is UnresolvedObject part)
                {
                    part.Owner = this;
                }
            }
        }

        Assignments.Add(value);
    }

    public bool IsWithin(Slot ancestor)
    {
        for (Slot? slot = this; slot is not null; slot = slot.Container.Owner)
        {
            if (ReferenceEquals(slot, ancestor))
            {
                return true;
            }
        }

        return false;
    }
}
