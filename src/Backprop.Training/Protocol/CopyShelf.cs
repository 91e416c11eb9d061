using System.Collections.Immutable;

namespace Backprop.Training.Protocol;

/// <summary>
/// The copies in one node's memory: which of them are whole, and which are let go of when a newer
/// one begins. It keeps two versions at most.
/// </summary>
/// <typeparam name="T">What holds a copy's numbers.</typeparam>
public sealed class CopyShelf<T>
    where T : class
{
    private readonly List<Entry> _entries = [];

    /// <summary>The whole copies, by version and block.</summary>
    public ImmutableArray<SliceCopy> Whole =>
    [
        .. _entries.Where(entry => entry.IsWhole).Select(entry => entry.Copy)
            .OrderBy(copy => copy.Version).ThenBy(copy => copy.FirstBlock),
    ];

    /// <summary>Lets go of what is not needed once a version is copied: every copy but those of the
    /// newest whole version before it, and its own. All servers have agreed to begin, so that the
    /// version before is whole everywhere.</summary>
    /// <returns>What is let go of.</returns>
    public ImmutableArray<T> Begin(long version)
    {
        long? before = _entries.Where(entry => entry.IsWhole && entry.Copy.Version < version)
            .Select(entry => (long?)entry.Copy.Version).Max();
        return RemoveWhere(entry => entry.Copy.Version != version
            && !(entry.IsWhole && entry.Copy.Version == before));
    }

    /// <summary>Lets go of every copy of other versions.</summary>
    /// <param name="version">The version that stays, as far as it is whole; null: none does.
    /// </param>
    /// <returns>What is let go of.</returns>
    public ImmutableArray<T> KeepOnly(long? version) =>
        RemoveWhere(entry => !entry.IsWhole || entry.Copy.Version != version);

    /// <summary>Takes a copy in.</summary>
    /// <param name="copy">What it is.</param>
    /// <param name="content">Its numbers.</param>
    /// <param name="isWhole">Whether all of them are there.</param>
    public void Add(SliceCopy copy, T content, bool isWhole) =>
        _entries.Add(new Entry(copy, content) { IsWhole = isWhole });

    /// <summary>All numbers of a copy are there.</summary>
    public void MakeWhole(SliceCopy copy) =>
        _entries.First(entry => entry.Copy == copy).IsWhole = true;

    /// <summary>The copy of a version that has a block; null: there is none, or it is not whole.
    /// </summary>
    public T? Find(long version, int block) =>
        _entries.FirstOrDefault(entry =>
            entry.IsWhole && entry.Copy.Version == version && entry.Copy.Has(block))?.Content;

    /// <summary>Whether there is this copy, whole or not.</summary>
    public bool Has(SliceCopy copy) => _entries.Any(entry => entry.Copy == copy);

    private ImmutableArray<T> RemoveWhere(Predicate<Entry> isSuperfluous)
    {
        ImmutableArray<T> removed =
            [.. _entries.Where(entry => isSuperfluous(entry)).Select(entry => entry.Content)];
        _entries.RemoveAll(isSuperfluous);
        return removed;
    }

    private sealed class Entry(SliceCopy copy, T content)
    {
        public SliceCopy Copy => copy;

        public T Content => content;

        public bool IsWhole { get; set; }
    }
}
