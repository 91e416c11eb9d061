using System.Collections.Immutable;

namespace Backprop.Training.Specification.Hocon;

/// <summary>
/// Makes the final tree: each key's assignments are folded in order (objects merge, anything else
/// replaces), and substitutions are looked up in the whole tree, each key at its first use.
/// </summary>
internal sealed class SubstitutionResolver(UnresolvedObject root, ReadingContext context)
{
    /// <summary>A chain of substitutions longer than this would endanger the stack.</summary>
    private const int MaxChain = 256;

    private readonly List<Slot> _resolving = [];
    private int _chain;

    public HoconObject Resolve() => ResolveObject(root);

    /// <summary>The value; null where it is an optional substitution of something undefined, or a
    /// mistake that was reported.</summary>
    private HoconValue? ResolveValue(UnresolvedValue value)
    {
        if (++_chain > MaxChain)
        {
            throw context.Fatal(
                value.Position,
                $"substitutions refer to one another in more than {MaxChain} steps");
        }

        HoconValue? result = value switch
        {
            UnresolvedLeaf leaf => leaf.Value,
            UnresolvedObject fields => ResolveObject(fields),
            UnresolvedArray array => Checked(new HoconArray(
                array.Position,
                [.. array.Items.Select(ResolveValue).OfType<HoconValue>()])),
            Substitution substitution => ResolveSubstitution(substitution),
            Concatenation concatenation => ResolveConcatenation(concatenation),
            _ => throw new InvalidOperationException($"unknown node {value.GetType()}"),
        };
        _chain--;
        return result;
    }

    private HoconObject ResolveObject(UnresolvedObject fields)
    {
        var resolved = ImmutableArray.CreateBuilder<HoconField>(fields.Slots.Count);
        foreach (Slot slot in fields.Slots)
        {
            if (ResolveSlot(slot, slot.KeyPosition) is { } value)
            {
                resolved.Add(new HoconField(slot.Key, slot.KeyPosition, value));
            }
        }

        return Checked(new HoconObject(fields.Position, resolved.ToImmutable()));
    }

    private HoconValue? ResolveSlot(Slot slot, SourcePosition askedAt)
    {
        if (slot.IsResolved)
        {
            return slot.Value;
        }

        if (slot.IsResolving)
        {
            return ValueSoFar(slot, askedAt);
        }

        slot.IsResolving = true;
        _resolving.Add(slot);
        foreach (UnresolvedValue assignment in slot.Assignments)
        {
            HoconValue? value = ResolveValue(assignment);
            slot.Value = value is HoconObject above && slot.Value is HoconObject below
                ? Merged(below, above)
                : value ?? slot.Value;
        }

        _resolving.RemoveAt(_resolving.Count - 1);
        slot.IsResolving = false;
        slot.IsResolved = true;
        return slot.Value;
    }

    /// <summary>A key that refers to itself means its earlier value; two that refer to each other
    /// mean nothing.</summary>
    private HoconValue? ValueSoFar(Slot slot, SourcePosition askedAt)
    {
        int first = _resolving.IndexOf(slot);
        if (_resolving.Skip(first).All(inner => inner.IsWithin(slot)))
        {
            return slot.Value;
        }

        string cycle = string.Join(" -> ", _resolving.Skip(first).Append(slot).Select(s => s.Key));
        context.Report(askedAt, $"the substitution goes in a circle: {cycle}");
        return null;
    }

    private HoconValue? ResolveSubstitution(Substitution substitution)
    {
        HoconValue? value = null;
        if (!substitution.IncludedUnder.IsEmpty)
        {
            value = Find(
                substitution.IncludedUnder.AddRange(substitution.Path), substitution.Position);
        }

        value ??= Find(substitution.Path, substitution.Position);
        if (value is null && !substitution.IsOptional)
        {
            context.Report(
                substitution.Position,
                $"{substitution.Text} is not defined "
                + $"(${{?{string.Join('.', substitution.Path)}}} where it may be absent)");
        }

        return value;
    }

    /// <summary>Follows a path through unresolved objects as far as they are plain, so that a part
    /// of an object can be referred to from within it.</summary>
    private HoconValue? Find(ImmutableArray<string> path, SourcePosition askedAt)
    {
        UnresolvedObject holder = root;
        for (int i = 0; i < path.Length; i++)
        {
            if (!holder.TryGet(path[i], out Slot? slot))
            {
                return null;
            }

            if (i < path.Length - 1 && slot.Assignments is [UnresolvedObject plain])
            {
                holder = plain;
                continue;
            }

            return Find(ResolveSlot(slot, askedAt), path.AsSpan()[(i + 1)..]);
        }

        return null;
    }

    private static HoconValue? Find(HoconValue? value, ReadOnlySpan<string> path)
    {
        foreach (string key in path)
        {
            value = value is HoconObject fields && fields.TryGet(key, out HoconField? field)
                ? field.Value
                : null;
        }

        return value;
    }

    private HoconValue? ResolveConcatenation(Concatenation concatenation)
    {
        List<(string SpaceBefore, HoconValue? Value)> pieces =
            [.. concatenation.Pieces.Select(p => (p.SpaceBefore, ResolveValue(p.Value)))];
        HoconValue[] present = [.. pieces.Select(p => p.Value).OfType<HoconValue>()];
        if (present.Length == 0)
        {
            return null;
        }

        CheckWeight(present.Sum(value => value.Weight), concatenation.Position);
        if (present.All(value => value is HoconObject))
        {
            return present.Cast<HoconObject>().Aggregate(Merged);
        }

        if (present.All(value => value is HoconArray))
        {
            return Checked(new HoconArray(
                present[0].Position,
                [.. present.SelectMany(array => ((HoconArray)array).Items)]));
        }

        if (present.FirstOrDefault(v => v is HoconObject or HoconArray) is { } container)
        {
            HoconValue other = present.First(v => v.GetType() != container.GetType());
            context.Report(
                concatenation.Position,
                $"{container.Describe()} and {other.Describe()} cannot be joined; "
                + "is a comma or a line end missing between them?");
            return null;
        }

        return Checked(new HoconScalar(
            concatenation.Position,
            string.Concat(pieces.Select(p => p.SpaceBefore + Text(p.Value))),
            isQuoted: present.Any(value => value is HoconScalar { IsQuoted: true })));
    }

    private static string Text(HoconValue? value) => value switch
    {
        HoconScalar scalar => scalar.Text,
        HoconNull => "null",
        _ => "",
    };

    private HoconObject Merged(HoconObject below, HoconObject above)
    {
        context.ChargeNodes(below.Weight + above.Weight, above.Position);
        return Checked(below.MergedWith(above));
    }

    /// <summary>Holds a finished value against the limits: substitution can make much of little.
    /// </summary>
    private T Checked<T>(T value)
        where T : HoconValue
    {
        context.CheckDepth(value.Depth, value.Position);
        context.ChargeNodes(
            value switch
            {
                HoconArray array => array.Items.Length,
                HoconObject fields => fields.Fields.Length,
                _ => value.Weight,
            },
            value.Position);
        CheckWeight(value.Weight, value.Position);
        return value;
    }

    private void CheckWeight(long weight, SourcePosition position)
    {
        if (weight > context.Limits.MaxNodes)
        {
            throw context.Fatal(
                position, $"more than {context.Limits.MaxNodes:N0} values, substituted");
        }
    }
}
