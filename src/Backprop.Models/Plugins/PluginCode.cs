using System.Collections.Frozen;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using Backprop.Engine.Plugins;

namespace Backprop.Models.Plugins;

/// <summary>
/// What a plug-in's assembly says of itself before any of its code is loaded: that it is one, for
/// which contract, and what it calls. It is there against mistakes, not against malice: whoever
/// allows a plug-in lets it do what the program may.
/// </summary>
internal static class PluginCode
{
    private const string EngineName = "Backprop.Engine";
    private const string AttributeName = nameof(LayerPluginAttribute);
    private const string AttributeSpace = "Backprop.Engine.Plugins";

    // IEEE 754 defines these to the last bit; what else is in Math is the C library's.
    private static readonly FrozenSet<string> s_exactMath = new[]
    {
        "Abs", "BigMul", "BitDecrement", "BitIncrement", "Ceiling", "Clamp", "CopySign", "DivRem",
        "Floor", "FusedMultiplyAdd", "IEEERemainder", "ILogB", "Max", "MaxMagnitude", "Min",
        "MinMagnitude", "Round", "ScaleB", "Sign", "Sqrt", "Truncate",
    }.ToFrozenSet();

    // Of Double, Single and Half, which have them as static members too.
    private static readonly FrozenSet<string> s_inexactMembers = new[]
    {
        "Acos", "Acosh", "AcosPi", "Asin", "Asinh", "AsinPi", "Atan", "Atan2", "Atan2Pi", "Atanh",
        "AtanPi", "Cbrt", "Cos", "Cosh", "CosPi", "Exp", "Exp10", "Exp10M1", "Exp2", "Exp2M1",
        "ExpM1", "Hypot", "Log", "Log10", "Log10P1", "Log2", "Log2P1", "LogP1",
        "MultiplyAddEstimate", "Pow", "ReciprocalEstimate", "ReciprocalSqrtEstimate", "RootN",
        "Sin", "SinCos", "SinCosPi", "Sinh", "SinPi", "Tan", "Tanh", "TanPi",
    }.ToFrozenSet();

    private static readonly FrozenDictionary<string, string> s_types =
        new Dictionary<string, string>
        {
            ["System.Random"] = "draws differ each time: use the row's Random",
            ["System.Guid"] = "draws differ each time: use the row's Random",
            ["System.DateTime"] = "the time differs each time",
            ["System.DateTimeOffset"] = "the time differs each time",
            ["System.Diagnostics.Stopwatch"] = "the time differs each time",
            ["System.Numerics.Vector`1"] = "its width differs between machines",
            ["System.Numerics.Vector"] = "its width differs between machines",
            ["System.Threading.Tasks.Parallel"] = "the engine shares rows among its threads",
        }.ToFrozenDictionary();

    private static readonly (string Space, string Why)[] s_spaces =
    [
        ("System.Runtime.Intrinsics", "machines differ in what they have of it"),
        ("System.Security.Cryptography", "draws differ each time: use the row's Random"),
        ("System.Threading", "a layer has no threads and no state"),
        ("System.IO", "a layer has no state but its parameters"),
        ("System.Net", "a layer has no state but its parameters"),
    ];

    /// <summary>Looks at an assembly.</summary>
    /// <param name="path">For messages.</param>
    /// <param name="content">Its bytes.</param>
    /// <exception cref="LayerPluginException">It is no plug-in, or one that must not be used.
    /// </exception>
    public static void Check(string path, byte[] content)
    {
        try
        {
            using var file = new PEReader(new MemoryStream(content, writable: false));
            if (!file.HasMetadata)
            {
                throw new BadImageFormatException("it has no .NET code");
            }

            MetadataReader metadata = file.GetMetadataReader();
            RequireContract(path, metadata);
            if (CallMistake(metadata) is { } call)
            {
                throw new LayerPluginException($"plug-in '{path}' uses {call}");
            }

            if (StateMistake(metadata) is { } state)
            {
                throw new LayerPluginException($"plug-in '{path}' has {state}");
            }
        }
        catch (BadImageFormatException e)
        {
            throw new LayerPluginException($"plug-in '{path}' is no .NET assembly: {e.Message}", e);
        }
    }

    private static void RequireContract(string path, MetadataReader metadata)
    {
        int? contract = ContractOf(metadata);
        if (contract is null)
        {
            bool isOfEngine = metadata.AssemblyReferences.Any(reference =>
                Name(metadata, metadata.GetAssemblyReference(reference).Name) == EngineName);
            throw new LayerPluginException(
                $"'{path}' is no plug-in: it has no [assembly: LayerPlugin]"
                + (isOfEngine ? "" : $", nor anything of {EngineName}"));
        }

        if (contract != LayerPluginAttribute.Current)
        {
            throw new LayerPluginException(
                $"plug-in '{path}' is built for version {contract} of the contract, and this "
                + $"program has version {LayerPluginAttribute.Current}: build it with this "
                + $"program's {EngineName}");
        }
    }

    // The attribute's one argument; a blob is a prolog of two bytes and the arguments.
    private static int? ContractOf(MetadataReader metadata)
    {
        foreach (CustomAttributeHandle handle in
            metadata.GetAssemblyDefinition().GetCustomAttributes())
        {
            CustomAttribute attribute = metadata.GetCustomAttribute(handle);
            if (attribute.Constructor.Kind != HandleKind.MemberReference)
            {
                continue;
            }

            MemberReference constructor = metadata.GetMemberReference(
                (MemberReferenceHandle)attribute.Constructor);
            if (TypeOf(metadata, constructor.Parent) is (AttributeSpace, AttributeName))
            {
                BlobReader blob = metadata.GetBlobReader(attribute.Value);
                const int prologBytes = 2;
                if (blob.Length < prologBytes + sizeof(int))
                {
                    return 0;
                }

                blob.Offset = prologBytes;
                return blob.ReadInt32();
            }
        }

        return null;
    }

    private static string? CallMistake(MetadataReader metadata)
    {
        foreach (TypeReferenceHandle handle in metadata.TypeReferences)
        {
            (string space, string name) = TypeOf(metadata, handle);
            string why = s_types.GetValueOrDefault($"{space}.{name}")
                ?? s_spaces.FirstOrDefault(banned => space == banned.Space
                    || space.StartsWith(banned.Space + ".", StringComparison.Ordinal)).Why
                ?? "";
            if (why.Length > 0)
            {
                return $"{space}.{name}: {why}";
            }
        }

        foreach (MemberReferenceHandle handle in metadata.MemberReferences)
        {
            MemberReference member = metadata.GetMemberReference(handle);
            (string space, string type) = TypeOf(metadata, member.Parent);
            string name = Name(metadata, member.Name);
            bool isInexact = (space, type) switch
            {
                ("System", "Math" or "MathF") => !s_exactMath.Contains(name),
                ("System", "Double" or "Single" or "Half") => s_inexactMembers.Contains(name),
                ("System.Numerics", _) => s_inexactMembers.Contains(name),
                _ => false,
            };
            if (isInexact)
            {
                return $"{space}.{type}.{name}, whose bits differ between machines: use those of "
                    + "IReal, or ExactMath";
            }
        }

        return null;
    }

    // A primary constructor's parameters are kept in fields that are written once, in fact.
    private static string? StateMistake(MetadataReader metadata)
    {
        const System.Reflection.FieldAttributes fixedField =
            System.Reflection.FieldAttributes.InitOnly | System.Reflection.FieldAttributes.Literal;
        foreach (FieldDefinitionHandle handle in metadata.FieldDefinitions)
        {
            FieldDefinition field = metadata.GetFieldDefinition(handle);
            TypeDefinition type = metadata.GetTypeDefinition(field.GetDeclaringType());
            string name = Name(metadata, field.Name), owner = Name(metadata, type.Name);
            bool isKept = name.StartsWith('<') && name.EndsWith(">P", StringComparison.Ordinal);
            bool isCompilers = isKept || owner.StartsWith('<')
                || (field.Attributes & System.Reflection.FieldAttributes.RTSpecialName) != 0;
            if ((field.Attributes & fixedField) == 0 && !isCompilers)
            {
                return $"the field {owner}.{name}, which can be changed: a layer has no state; "
                    + "make it readonly";
            }
        }

        return null;
    }

    private static (string Space, string Name) TypeOf(MetadataReader metadata, EntityHandle handle)
    {
        if (handle.Kind == HandleKind.TypeSpecification)
        {
            // Of a generic type: its definition comes behind two bytes of the signature.
            BlobReader blob = metadata.GetBlobReader(
                metadata.GetTypeSpecification((TypeSpecificationHandle)handle).Signature);
            bool isGeneric =
                blob.ReadSignatureTypeCode() == SignatureTypeCode.GenericTypeInstance;
            if (!isGeneric)
            {
                return ("", "");
            }

            blob.ReadCompressedInteger();
            handle = blob.ReadTypeHandle();
        }

        if (handle.Kind != HandleKind.TypeReference)
        {
            return ("", "");
        }

        TypeReference type = metadata.GetTypeReference((TypeReferenceHandle)handle);
        return (Name(metadata, type.Namespace), Name(metadata, type.Name));
    }

    private static string Name(MetadataReader metadata, StringHandle handle) =>
        metadata.GetString(handle);
}
