namespace Backprop.Training.Specification.Reading;

/// <summary>What a value may be, beside its .NET type: what the reference of the specification is
/// written from.</summary>
internal interface IValueKind
{
    /// <summary>In words, for the reference and for messages: <c>integer, at least 1</c>.</summary>
    string Description { get; }

    /// <summary>The kinds that this one is made of.</summary>
    IEnumerable<IValueKind> Parts { get; }
}

/// <summary>How a value is read and checked.</summary>
/// <typeparam name="T">What it becomes.</typeparam>
internal abstract class ValueKind<T> : IValueKind
{
    public abstract string Description { get; }

    public virtual IEnumerable<IValueKind> Parts => [];

    /// <summary>Reads the value, or remembers what is wrong with it.</summary>
    public abstract bool TryRead(ValueCursor at, out T value);

    /// <summary>The same kind, its value converted.</summary>
    public ValueKind<TResult> As<TResult>(Func<T, TResult> convert) =>
        new ConvertedKind<T, TResult>(this, convert);
}

/// <summary>A kind whose value becomes something else.</summary>
internal sealed class ConvertedKind<T, TResult>(ValueKind<T> inner, Func<T, TResult> convert)
    : ValueKind<TResult>
{
    public override string Description => inner.Description;

    public override IEnumerable<IValueKind> Parts => inner.Parts;

    public override bool TryRead(ValueCursor at, out TResult value)
    {
        bool isRead = inner.TryRead(at, out T read);
        value = isRead ? convert(read) : default!;
        return isRead;
    }
}

/// <summary>A kind named before it is made, for kinds that hold themselves: a residual block holds
/// layers, one of which may be a residual block.</summary>
internal sealed class DeferredKind<T>(Func<ValueKind<T>> kind) : ValueKind<T>
{
    public override string Description => kind().Description;

    public override IEnumerable<IValueKind> Parts => [kind()];

    public override bool TryRead(ValueCursor at, out T value) => kind().TryRead(at, out value);
}

/// <summary>A kind whose value remembers where it stands.</summary>
internal sealed class PlacedKind<T>(ValueKind<T> inner) : ValueKind<Placed<T>>
{
    public override string Description => inner.Description;

    public override IEnumerable<IValueKind> Parts => [inner];

    public override bool TryRead(ValueCursor at, out Placed<T> value)
    {
        bool isRead = inner.TryRead(at, out T read);
        value = new Placed<T>(read, new SpecificationPlace(at.Value.Position, at.Path));
        return isRead;
    }
}
