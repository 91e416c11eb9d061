using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Backprop.Data.Storage;

namespace Backprop.Data.Formats;

/// <summary>The samples of one archive: where the features of each are, and its class.</summary>
/// <param name="Samples">In the archive's order.</param>
/// <param name="Labels">Numbers of texts, as <see cref="TarClasses"/> gives them.</param>
internal sealed record TarIndex(
    ImmutableArray<TarExtent> Samples, ImmutableArray<int> Labels)
{
    private const int MaxFeatureBytes = 1 << 30;
    private const int MaxClassBytes = 256;
    private const int DigestBytes = 16;

    /// <summary>Reads an archive's headers and classes, in one pass.</summary>
    /// <exception cref="InvalidDatasetException">The archive is damaged, a sample lacks a member or
    /// has one twice, or a class is no text.</exception>
    public static TarIndex Read(
        TarArchive archive, TarShardOptions options, TarClasses classes)
    {
        var samples = ImmutableArray.CreateBuilder<TarExtent>();
        var labels = ImmutableArray.CreateBuilder<int>();

        // Digests of the names, which may be long, and nobody needs them again.
        var names = new HashSet<UInt128>();
        Sample? sample = null;
        foreach (TarMember member in archive.Members())
        {
            if (!TrySplit(member.Name, out string key, out string ending))
            {
                continue;
            }

            bool isFeatures = options.Features.Contains(ending);
            if (!isFeatures && ending != options.Class)
            {
                continue;
            }

            if (sample?.Key != key)
            {
                Finish(sample);
                RequireNew(names, key, archive, member);
                sample = new Sample(key, member.Name, null, null);
            }

            sample = isFeatures
                ? sample.WithFeatures(archive, member)
                : sample.WithLabel(archive, member, classes);
        }

        Finish(sample);
        return samples.Count > 0
            ? new TarIndex(samples.ToImmutable(), labels.ToImmutable())
            : throw new InvalidDatasetException(
                archive.Path, "there are no samples in it",
                $"a sample is a member that ends in {string.Join(" or ", options.Features)}, and "
                + $"one of the same name that ends in {options.Class}");

        void Finish(Sample? done)
        {
            if (done is null)
            {
                return;
            }

            if (done.Features is not { } features || done.Label is not { } label)
            {
                string missing = done.Features is null
                    ? string.Join(" or ", options.Features)
                    : options.Class;
                throw new InvalidDatasetException(
                    archive.PlaceOf(done.FirstMember), $"there is no {missing} beside it",
                    "let the members of a sample follow each other, as tar --sort=name has them");
            }

            samples.Add(features);
            labels.Add(label);
        }
    }

    // The first dot of a file's name parts it. What begins with a dot is hidden, and put there by
    // programs rather than by people.
    private static bool TrySplit(string name, out string key, out string ending)
    {
        int file = name.LastIndexOf('/') + 1;
        int dot = name.IndexOf('.', file);
        (key, ending) = dot <= file ? ("", "") : (name[..dot], name[dot..].ToLowerInvariant());
        return dot > file;
    }

    private static void RequireNew(
        HashSet<UInt128> names, string key, TarArchive archive, TarMember member)
    {
        byte[] digest = SHA256.HashData(Encoding.UTF8.GetBytes(key));
        if (!names.Add(BitConverter.ToUInt128(digest.AsSpan(0, DigestBytes))))
        {
            throw Twice(archive, member, $"the sample {Quotation.Of(key)} was there before");
        }
    }

    private static InvalidDatasetException Twice(
        TarArchive archive, TarMember member, string problem) => new(
        archive.PlaceOf(member.Name), problem,
        "let a sample have one member of each kind, one after the other",
        new DataPosition { ByteOffset = member.Offset - TarArchive.BlockBytes });

    /// <summary>What is known of a sample while its members are read.</summary>
    private sealed record Sample(
        string Key, string FirstMember, TarExtent? Features, int? Label)
    {
        public Sample WithFeatures(TarArchive archive, TarMember member)
        {
            RequireLength(archive, member, MaxFeatureBytes);
            return Features is null
                ? this with { Features = new TarExtent(member.Offset, (int)member.Length) }
                : throw Twice(archive, member, "the sample has features already");
        }

        public Sample WithLabel(TarArchive archive, TarMember member, TarClasses classes)
        {
            RequireLength(archive, member, MaxClassBytes);
            var bytes = new byte[member.Length];
            archive.Read(member.Offset, bytes);
            return Label is null
                ? this with
                {
                    Label = classes.NumberOf(
                        Encoding.UTF8.GetString(bytes), archive.PlaceOf(member.Name)),
                }
                : throw Twice(archive, member, "the sample has a class already");
        }

        private static void RequireLength(TarArchive archive, TarMember member, int most)
        {
            if (member.Length > most || member.Length == 0)
            {
                throw new InvalidDatasetException(
                    archive.PlaceOf(member.Name),
                    string.Create(
                        CultureInfo.InvariantCulture, $"it has {member.Length:N0} bytes"),
                    $"1 to {most:N0} can be read");
            }
        }
    }
}
